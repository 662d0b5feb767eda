"""The sections "Container", "Payload", "Planes", "Filter", "Colour" and "Alpha"."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from tests.helpers.dct_reader.bits import Bits, clip, fresh_models, prior
from tests.helpers.dct_reader.blocks import Plane, read_plane

_TAPS = [(0, 1), (0, 2), (0, 3), (1, -2), (1, -1), (1, 0), (1, 1), (1, 2), (2, -1), (2, 0), (2, 1), (3, 0)]

Numbers = NDArray[np.int64]


def read(data: bytes) -> NDArray[np.uint8]:
    """Returns the pixels of a DCT file, [height, width, channels]."""
    assert data[:2] == b"\x89\x47"
    assert data[2] & 0x8F == 0x81
    channels = (1, 3, 4)[data[2] >> 4 & 7]
    width, start = _varint(data, 3)
    height, start = _varint(data, start)
    assert int.from_bytes(data[start : start + 4], "little") == zlib.crc32(data[:start] + data[start + 4 :])
    payload = data[start + 4 :]
    flags, index, weights = payload[:3]
    slope, chroma = (weights >> 4) * (2 if flags & 128 else 1), weights & 15
    stream, alpha = payload[3:], b""
    if channels == 4:
        alpha_bytes, start = _varint(payload, 3)
        alpha, stream = payload[start : start + alpha_bytes], payload[start + alpha_bytes :]

    models, mixer, filters = prior(flags >> 5 & 3)
    bits = Bits(stream, models, mixer, 255, 14)
    base = round(64 * 2 ** (index / 24))
    planes: list[Plane] = []
    for number in range(1 if channels == 1 else 3):
        rows, columns = ((height + 1) // 2, (width + 1) // 2) if number and flags & 2 else (height, width)
        plane = Plane(rows, columns, number, base + (base * chroma >> 3) if number else base, slope)
        if number:
            plane.other = planes[-1]
            plane.h = int(bool(flags & 2) and number == 1)
        if number == 2:
            plane.sizes = planes[1].sizes
        read_plane(bits, plane, codes_sizes=bool(flags & 4) and number < 2, is_light=bool(flags & 16))
        planes.append(plane)
    if flags & 8:
        for plane in planes:
            first = 144 * plane.c
            bank = np.array(filters[first : first + 144]).reshape(12, 12)
            if bits.bit():
                plane.samples = _filtered(plane, _own(bits, bank) if bits.bit() else bank)

    parts = [plane.samples for plane in planes]
    if flags & 2:
        parts[1:] = [_doubled(part[: (height + 1) // 2, : (width + 1) // 2]) for part in parts[1:]]
    parts = [part[:height, :width] for part in parts]
    pixels = _colours(parts) if flags & 1 else np.stack([(part + 2056) >> 4 for part in parts], -1)
    pixels = np.clip(pixels, 0, 255)
    if channels == 4:
        pixels = np.dstack([pixels, _alpha(alpha, height, width)])
    return pixels.astype(np.uint8)


def _varint(data: bytes, start: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[start] & 127) << shift
        start, shift = start + 1, shift + 7
        if data[start - 1] < 128:
            return value, start


def _own(bits: Bits, bank: Numbers) -> Numbers:
    """Numbers of a plane's own, told as differences."""
    own, lengths = bank.copy(), fresh_models(8)
    for row in own:
        if bits.bit():
            for k in range(12):
                difference = bits.gamma(lengths, 8, limit=60) - 1
                if difference and bits.bit():
                    difference = -difference
                row[k] = clip(int(row[k]) + difference, -128, 127)
    return own


def _filtered(plane: Plane, bank: Numbers) -> Numbers:
    s = plane.samples
    rows, columns = s.shape
    padded = np.pad(s, 3, mode="edge")

    def moved(dy: int, dx: int) -> Numbers:
        return padded[3 + dy : 3 + dy + rows, 3 + dx : 3 + dx + columns]

    def squares(differences: Numbers) -> Numbers:
        return np.abs(differences).reshape(rows // 4, 4, columns // 4, 4).sum((1, 3))

    across, down = squares(moved(0, 1) - moved(0, -1)), squares(moved(1, 0) - moved(-1, 0))
    activity = (across + down) * 4 // plane.step(0, 0, 0)
    direction = np.where(across > 2 * down, 1, np.where(down > 2 * across, 2, 0))
    classes = 3 * sum((activity >= limit).astype(int) for limit in (1, 3, 8)) + direction
    numbers = bank[classes].repeat(4, 0).repeat(4, 1)
    total = sum(
        numbers[..., k] * (moved(dy, dx) + moved(-dy, -dx) - 2 * s) for k, (dy, dx) in enumerate(_TAPS)
    )
    return np.clip(s + ((total + 128) >> 8), -2048, 2047)


def _doubled(n: Numbers) -> Numbers:
    padded = np.pad(n, 1, mode="edge")
    rows, columns = n.shape
    doubled = np.zeros((2 * rows, 2 * columns), np.int64)
    for y in range(2):
        for x in range(2):
            dy, dx = 2 * y - 1, 2 * x - 1
            v = padded[1 + dy : 1 + dy + rows, 1 : 1 + columns]
            w = padded[1 : 1 + rows, 1 + dx : 1 + dx + columns]
            d = padded[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns]
            doubled[y::2, x::2] = (9 * n + 3 * v + 3 * w + d + 8) >> 4
    return doubled


def _colours(parts: list[Numbers]) -> Numbers:
    a, b, c = parts[0] + 2048, parts[1], parts[2]
    red = (65536 * a + 91881 * c + 2**19) >> 20
    green = (65536 * a - 22554 * b - 46802 * c + 2**19) >> 20
    blue = (65536 * a + 116130 * b + 2**19) >> 20
    return np.stack([red, green, blue], -1)


def _alpha(data: bytes, height: int, width: int) -> Numbers:
    bits = Bits(data, fresh_models(3 * 65536), [34953] * 30, 255, 20)
    plane = np.zeros((height, width), np.int64)
    second, third = 65536, 131072
    for y in range(height):
        for x in range(width):
            a = int(plane[y - 1, x]) if y else 0
            beside = int(plane[y, x - 1]) if x else a
            q = int(plane[y - 1, x - 1]) if x and y else a
            r = int(plane[y - 1, x + 1]) if y and x + 1 < width else a
            s = (beside == a) + 2 * (a == q) + 4 * (a == r) + 8 * (beside == q)
            same = [256 * s + beside, second + 256 * (beside ^ a) + a, third + 16 * s + (beside >> 4)]
            if bits.voted(same, 0):
                plane[y, x] = beside
                continue
            if a != beside and bits.voted([same[0] + 4096, same[1], same[2] + 4096], 3):
                plane[y, x] = a
                continue
            node = 1
            for i in range(8):
                models = [
                    8192 + node,
                    second + 8192 + 256 * (beside >> 2) + node,
                    third + 8192 + 256 * ((beside + a) >> 3) + node,
                ]
                node = 2 * node + bits.voted(models, 3 * (2 + i))
            plane[y, x] = node - 256
    return plane

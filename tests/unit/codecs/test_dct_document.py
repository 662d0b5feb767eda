"""docs/codecs/dct.md against the codec: a second decoder, in plain Python, that follows the page alone."""

from __future__ import annotations

import lzma
import math
import struct
import zlib
from pathlib import Path

import pytest

from services.compressor.codecs import decode
from tests.golden.renew import GOLDEN

DOCUMENT = (Path(__file__).parents[3] / "docs" / "codecs" / "dct.md").read_text(encoding="utf-8")
LUMA = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
CHROMA = """17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99"""
T = [
    [
        round(2**17 * (math.sqrt(1 / 8) if u == 0 else math.cos((2 * x + 1) * u * math.pi / 16) / 2))
        for x in range(8)
    ]
    for u in range(8)
]


def clip(value: int, low: int = 0, high: int = 255) -> int:
    """Limits a number."""
    return max(low, min(high, value))


def zigzag() -> list[tuple[int, int]]:
    """Walks the diagonals as figure A.6 does: (vertical, horizontal) frequencies."""
    walk: list[tuple[int, int]] = []
    for diagonal in range(15):
        cells = [(u, diagonal - u) for u in range(8) if 0 <= diagonal - u < 8]
        walk += cells if diagonal % 2 else cells[::-1]
    return walk


def rgb(luma: int, cb: int, cr: int) -> list[int]:
    """Converts one pixel of YCbCr."""
    cb, cr = cb - 128, cr - 128
    red = luma + ((91881 * cr + 32768) >> 16)
    green = luma + ((-22554 * cb - 46802 * cr + 32768) >> 16)
    blue = luma + ((116130 * cb + 32768) >> 16)
    return [clip(red), clip(green), clip(blue)]


def second_decoder(data: bytes) -> bytes:
    """Returns the samples of a sound file, row by row."""
    magic, version, codec, channels, width, height, length, crc = struct.unpack_from("<4sBBBIIII", data)
    assert (magic, version, codec, len(data)) == (b"\x89GPC", 1, 1, 23 + length)
    assert crc == zlib.crc32(data[:19] + data[23:])
    mode, quality = data[23:25]
    stream, alpha = data[25:], b""
    if channels == 4:
        (alpha_bytes,) = struct.unpack_from("<I", stream)
        alpha, stream = zlib.decompress(stream[4 : 4 + alpha_bytes], -15), stream[4 + alpha_bytes :]
    if mode & 2:
        properties = {"id": lzma.FILTER_LZMA1, "lc": 0, "lp": 0, "pb": 0, "dict_size": 1 << 20}
        plain = lzma.decompress(stream, lzma.FORMAT_RAW, filters=[properties])
    else:
        plain = zlib.decompress(stream, -15)

    colors, columns, rows = 1 if channels == 1 else 3, math.ceil(width / 8), math.ceil(height / 8)
    blocks = columns * rows
    escapes = iter(
        struct.unpack(f"<{(len(plain) - 64 * blocks * colors) // 2}H", plain[64 * blocks * colors :])
    )
    numbers = [next(escapes) if m == 255 else m for m in plain[: 64 * blocks * colors]]
    numbers = [m // 2 if m % 2 == 0 else -(m + 1) // 2 for m in numbers]

    planes = []
    for color in range(colors):
        table = [int(step) for step in (CHROMA if color and mode & 1 else LUMA).split()]
        scale = 5000 // quality if 0 < quality < 50 else 200 - 2 * quality
        plane = [[0] * (8 * columns) for _ in range(8 * rows)]
        first = 64 * blocks * color
        for block in range(blocks):  # the differences of DC
            row, column = divmod(block, columns)
            if column or row:
                numbers[first + block] += numbers[first + block - (1 if column else columns)]
        for block in range(blocks):
            row, column = divmod(block, columns)
            coefficients = [[0] * 8 for _ in range(8)]
            for frequency, (u, v) in enumerate(zigzag()):
                step = clip((table[8 * u + v] * scale + 50) // 100, 1, 255) if quality else 1
                value = numbers[first + blocks * frequency + block] * step
                coefficients[u][v] = clip(value, -32767, 32767)
            for y in range(8):
                inner = [sum(T[u][y] * coefficients[u][v] for u in range(8)) for v in range(8)]
                for x in range(8):
                    total = sum(inner[v] * T[v][x] for v in range(8))
                    plane[8 * row + y][8 * column + x] = clip(128 + (total + 2**33) // 2**34)
        planes.append(plane)

    samples = bytearray()
    for y in range(height):
        for x in range(width):
            pixel = [plane[y][x] for plane in planes]
            pixel = rgb(*pixel) if mode & 1 else pixel
            samples += bytes(pixel) + (alpha[y * width + x : y * width + x + 1] if channels == 4 else b"")
    return bytes(samples)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.gpc")), ids=lambda path: path.stem)
def test_second_decoder_agrees(path: Path) -> None:
    """A decoder written from the page gives every golden file's very pixels."""
    data = path.read_bytes()
    assert second_decoder(data) == decode(data).tobytes()


def test_matrix_of_the_document() -> None:
    """The page prints the matrix that its formula gives."""
    for row in T:
        printed = " ".join(f"{value:6d}" for value in row).replace("-", "\N{MINUS SIGN}")
        assert printed in DOCUMENT

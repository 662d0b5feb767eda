"""The distinct colours of an image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.base import Pixels
from services.compressor.codecs.coding import compiled

_GOLDEN = np.uint64(0x9E3779B1)
"""2^32 over the golden ratio: the upper bits of a product with it are a good hash (Knuth, TAOCP 6.4)."""


def packed_colors(image: Pixels) -> npt.NDArray[np.uint32]:
    """Returns each pixel's colour as one number, first channel highest; uint32 [height * width].

    A fully transparent pixel is 0, whatever colour it hides.
    """
    channels = [image[..., channel].reshape(-1) for channel in range(image.shape[2])]
    packed = channels[0].astype(np.uint32)
    for channel in channels[1:]:
        packed <<= np.uint32(8)
        packed |= channel
    if len(channels) == 4:
        packed[channels[3] == 0] = 0
    return packed


def unpacked_colors(packed: npt.NDArray[np.uint32], channels: int) -> Pixels:
    """Returns colours as [colours, channels], the reverse of `packed_colors`."""
    shifts = [8 * (channels - 1 - channel) for channel in range(channels)]
    return np.stack([packed >> np.uint32(shift) & np.uint32(255) for shift in shifts], axis=-1).astype(
        np.uint8
    )


def count_colors(
    pixels: npt.NDArray[np.uint32],
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Returns the distinct colours in the order of their first pixel, their counts, and each pixel's number.

    A hash table with linear probing, at most half full: its memory grows with the colours alone.
    """
    numbers = np.empty(len(pixels), np.int32)
    colors, counts = np.empty(1 << 11, np.uint32), np.zeros(1 << 11, np.int64)
    done = used = 0
    while True:
        table = np.full(2 * len(colors), -1, np.int32)
        hash_bits = len(table).bit_length() - 1
        done, used = _count(pixels, done, table, hash_bits, colors, counts, used, numbers)
        if done == len(pixels):
            return colors[:used].copy(), counts[:used].copy(), numbers
        colors, counts = np.resize(colors, 2 * used), np.resize(counts, 2 * used)


@compiled
def _count(
    pixels: npt.NDArray[np.uint32],
    start: int,
    table: npt.NDArray[np.int32],
    hash_bits: int,
    colors: npt.NDArray[np.uint32],
    counts: npt.NDArray[np.int64],
    used: int,
    numbers: npt.NDArray[np.int32],
) -> tuple[int, int]:
    """Counts pixels from `start` on while new colours find room; returns where it stopped and the colours."""
    mask = len(table) - 1
    for number in range(used):
        slot = _slot(colors[number], hash_bits)
        while table[slot] >= 0:
            slot = (slot + 1) & mask
        table[slot] = number
    number = -1
    for i in range(start, len(pixels)):
        color = pixels[i]
        if number < 0 or color != colors[number]:
            slot = _slot(color, hash_bits)
            number = np.int64(table[slot])
            while number >= 0 and colors[number] != color:
                slot = (slot + 1) & mask
                number = np.int64(table[slot])
            if number < 0:
                if used == len(colors):
                    return i, used
                number = used
                table[slot] = number
                colors[number] = color
                counts[number] = 0
                used += 1
        counts[number] += 1
        numbers[i] = number
    return len(pixels), used


@compiled
def _slot(color: int, hash_bits: int) -> int:
    product = np.uint64(color) * _GOLDEN & np.uint64(0xFFFFFFFF)
    return int(np.int64(product >> np.uint64(32 - hash_bits)))

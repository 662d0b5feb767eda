"""The distinct colours of an image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit  # pyright: ignore[reportMissingTypeStubs]

from services.compressor.codecs.base import Pixels


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
    return np.stack([packed >> np.uint32(shift) & np.uint32(255) for shift in shifts], axis=-1).astype(np.uint8)


@njit(cache=True, nogil=True)
def count_colors(
    pixels: npt.NDArray[np.uint32],
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Returns the distinct colours in the order of their first pixel, their counts, and each pixel's number.

    A hash table with linear probing: its memory grows with the colours, not with the pixels.
    """
    bits = 12
    table = np.full(1 << bits, -1, np.int32)
    colors = np.empty(1 << (bits - 1), np.uint32)
    counts = np.zeros(1 << (bits - 1), np.int64)
    numbers = np.empty(len(pixels), np.int32)
    used = 0
    previous = np.uint32(0)
    number = np.int32(-1)
    for i in range(len(pixels)):
        color = pixels[i]
        if number < 0 or color != previous:
            slot = _slot(color, bits)
            number = table[slot]
            while number >= 0 and colors[number] != color:
                slot = (slot + 1) & ((1 << bits) - 1)
                number = table[slot]
            if number < 0:
                if used == len(colors):
                    bits += 1
                    colors, counts = _doubled(colors), _doubled(counts)
                    table = _table(colors, used, bits)
                    slot = _free_slot(table, color, bits)
                number = np.int32(used)
                table[slot] = number
                colors[used] = color
                counts[used] = 0
                used += 1
            previous = color
        counts[number] += 1
        numbers[i] = number
    return colors[:used].copy(), counts[:used].copy(), numbers


@njit(cache=True, nogil=True)
def _slot(color: int, bits: int) -> int:
    """Fibonacci hashing: the upper bits of the product with 2^32 over the golden ratio."""
    return np.int64(((np.uint64(color) * np.uint64(0x9E3779B1)) & np.uint64(0xFFFFFFFF)) >> np.uint64(32 - bits))


@njit(cache=True, nogil=True)
def _free_slot(table: npt.NDArray[np.int32], color: int, bits: int) -> int:
    slot = _slot(color, bits)
    while table[slot] >= 0:
        slot = (slot + 1) & ((1 << bits) - 1)
    return slot


@njit(cache=True, nogil=True)
def _table(colors: npt.NDArray[np.uint32], used: int, bits: int) -> npt.NDArray[np.int32]:
    table = np.full(1 << bits, -1, np.int32)
    for number in range(used):
        table[_free_slot(table, colors[number], bits)] = number
    return table


@njit(cache=True, nogil=True)
def _doubled(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    doubled = np.empty(2 * len(values), values.dtype)
    doubled[: len(values)] = values
    return doubled

"""Samples whose rounding another machine may decide the other way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.base import Pixels
from services.compressor.codecs.errors import CorruptDataError

MOST_SAMPLES = 255
_RICE_BITS = 24  # gaps of this many bits in unary would be an attack, no image


class GuardSample(NamedTuple):
    """A sample that is stored."""

    place: int
    """Its number in the array of samples."""
    value: int
    """What it is in the image, 0..255."""


def rounded(values: npt.NDArray[np.float32]) -> Pixels:
    """Returns samples: rounded half to even, clipped to 0..255, in C order."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8, order="C")


def by_nearness(values: npt.NDArray[np.float32], most: int) -> list[tuple[float, int]]:
    """Returns the samples nearest to where rounding changes, as distances in grey levels and places.

    Args:
        values: float32 [H, W, C], samples before rounding.
        most: How many.

    Returns:
        The nearest one first.
    """
    levels = np.clip(values.astype(np.float64).ravel(), 0, 255)  # beyond, nothing changes
    distances = np.abs(levels - np.floor(levels) - 0.5)
    most = min(most, distances.size)
    places = np.argpartition(distances, most - 1)[:most]
    return sorted(zip(distances[places].tolist(), places.tolist(), strict=True))


def pack_guard(samples: Sequence[GuardSample]) -> bytes:
    """Writes samples: their number, then bits, each place as a Rice-coded gap, each value as eight bits."""
    if not samples:
        return b"\0"
    ordered = sorted(samples)
    gaps = [b.place - a.place - 1 for a, b in zip([GuardSample(-1, 0), *ordered], ordered, strict=False)]
    parameter = min(range(_RICE_BITS + 1), key=lambda k: sum((gap >> k) + 1 + k for gap in gaps))
    bits = "".join(
        "1" * (gap >> parameter) + "0" + _binary(gap, parameter) + _binary(sample.value, 8)
        for gap, sample in zip(gaps, ordered, strict=True)
    )
    size_bytes = -(-len(bits) // 8)
    return bytes([len(ordered), parameter]) + int(bits.ljust(8 * size_bytes, "0"), 2).to_bytes(
        size_bytes, "big"
    )


def unpack_guard(data: bytes) -> tuple[tuple[GuardSample, ...], int]:
    """Returns the samples that the data begin with, and how many bytes they take.

    Raises:
        CorruptDataError: They are cut off.
    """
    if not data or (data[0] and len(data) < 2):
        raise CorruptDataError("the seed file is truncated")
    if not data[0]:
        return (), 1
    count, parameter = data[0], data[1]
    if parameter > _RICE_BITS:
        raise CorruptDataError(f"the seed file's Rice parameter is at most {_RICE_BITS}, not {parameter}")
    # What lies behind belongs to the difference: a generous bound keeps a long one out of the text.
    bits = "".join(f"{byte:08b}" for byte in data[2 : 2 + count * (parameter + 16) + 4096])
    samples: list[GuardSample] = []
    at, place = 0, -1
    for _ in range(count):
        end = bits.find("0", at)
        if end < 0 or end + 1 + parameter + 8 > len(bits):
            raise CorruptDataError("the seed file is truncated")
        low_at, value_at = end + 1, end + 1 + parameter
        place += ((end - at) << parameter | int(bits[low_at:value_at] or "0", 2)) + 1
        at = value_at + 8
        samples.append(GuardSample(place, int(bits[value_at:at], 2)))
    return tuple(samples), 2 + -(-at // 8)


def _binary(value: int, bits: int) -> str:
    return f"{value & (1 << bits) - 1:0{bits}b}" if bits else ""

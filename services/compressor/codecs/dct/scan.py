"""The order of a block's coefficients, and how many of them are coded.

Positions are numbers 32 u + v of the coefficient in row u (vertical frequency) and column v.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BUCKETS = np.array(
    [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024], np.int32
)
"""A block says how many coefficients of its scan are coded by an index into this list."""


def _zigzag(size: int) -> list[tuple[int, int]]:
    """Returns (u, v) by ascending u + v, each diagonal in the direction opposite to the one before."""
    positions = [(u, v) for u in range(size) for v in range(size)]
    return sorted(positions, key=lambda p: (p[0] + p[1], p[0] if (p[0] + p[1]) % 2 else p[1]))


def _scans() -> npt.NDArray[np.int32]:
    scans = np.zeros((3, 1024), np.int32)
    for level, size in enumerate((8, 16, 32)):
        scans[level, : size * size] = [32 * u + v for u, v in _zigzag(size)]
    return scans


def _extents(scans: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    extents = np.zeros((3, len(BUCKETS)), np.int32)
    for level in range(3):
        for bucket, count in enumerate(BUCKETS):
            positions = scans[level, : min(int(count), 64 << 2 * level)]
            extents[level, bucket] = max((max(p >> 5, p & 31) + 1 for p in positions.tolist()), default=0)
    return extents


SCANS = _scans()
"""int32 [3, 1024]: the positions in the order of the scan, for sizes 8, 16 and 32."""
EXTENTS = _extents(SCANS)
"""int32 [3, 21]: rows, and columns, that hold the coefficients of each bucket."""
BUCKET_OF = np.searchsorted(BUCKETS, np.arange(1025)).astype(np.int32)
"""int32 [1025]: the smallest bucket that holds this many coefficients."""

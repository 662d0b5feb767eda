"""Fixed tables of the coefficients' model: neighbours within a block, levels of magnitudes, edges."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def _zigzag() -> list[tuple[int, int]]:
    """Returns the vertical and horizontal frequencies in zigzag order (ITU-T T.81, figure A.6)."""
    positions = [(v, u) for v in range(8) for u in range(8)]
    return sorted(positions, key=lambda p: (p[0] + p[1], p[0] if (p[0] + p[1]) % 2 else p[1]))


_POSITIONS = _zigzag()
_NUMBERS = {position: k for k, position in enumerate(_POSITIONS)}

VERTICAL = np.array([v for v, _ in _POSITIONS], np.int64)
"""Vertical frequency of each coefficient in zigzag order."""
HORIZONTAL = np.array([u for _, u in _POSITIONS], np.int64)
"""Horizontal frequency of each coefficient in zigzag order."""
DIAGONAL_ENDS = np.array(
    [max(k for k, (v, u) in enumerate(_POSITIONS) if v + u == d) for d in range(15)], np.int64
)
"""Last coefficient in zigzag order of each diagonal."""
HIGHER = np.array(
    [
        [_NUMBERS.get((v + dv, u + du), 64) for dv, du in ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))]
        for v, u in _POSITIONS
    ],
    np.int64,
)
"""The coefficients to the right, below, right below, two to the right, two below; 64 where there is none."""

MOST = 1023
"""Largest number that has a level; larger ones have its."""
LEVELS = np.searchsorted([0, 1, 2, 3, 4, 6, 8, 11, 15, 21, 30, 42, 60, 95, 180], np.arange(MOST + 1))
"""Level, 0..15, of a number 0..MOST: exact for small ones, then about two an octave."""

Whole = int | np.int64
"""A whole number in compiled code."""

FLAT, WAVE = 362, 512
"""Norms of the DCT's basis functions, 2^10 times sqrt(1/8) for frequency 0 and 1/2 for the others.

They are also the functions' values at the edge of a block, in the middle between two pixels of neighbours.
"""
EDGE = np.array([FLAT] + 7 * [WAVE], np.int64)
"""Value of each basis function at the upper or left edge of its block, times 2^10."""


def _pixels() -> npt.NDArray[np.int64]:
    """Returns the basis functions at the 8 pixels, times 2^10, [pixel, frequency]."""
    # Rounding hides what libraries of sines differ by: no value is near a half.
    return np.array(
        [
            [FLAT] + [round(WAVE * math.cos((2 * x + 1) * u * math.pi / 16)) for u in range(1, 8)]
            for x in range(8)
        ],
        np.int64,
    )


PIXELS = _pixels()
"""Value of each basis function at each pixel, times 2^10, [pixel, frequency]."""

"""Orthonormal DCT-II of 8, 16 and 32 samples: forward in floating point, inverse in 32-bit integers.

Samples and coefficients of the decoder have 4 fractional bits, the matrices 12. Sums are taken modulo 2^32,
which matters to no file that an encoder writes: both steps of a sound block stay far below.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import inner

SAMPLE_BITS = 4
"""Fractional bits of decoded samples and coefficients."""
MATRIX_BITS = 12
STRIDE = 32
"""Samples from one row of a block's work space to the next, whatever the block's size."""

Work = npt.NDArray[np.int32]


def _cosines() -> list[Decimal]:
    """Returns cos(pi k / 64) for k from 0 to 127, by the recurrence of Chebyshev from a 40-digit start."""
    with localcontext() as context:
        context.prec = 50
        cosine = Decimal(0)  # halving pi / 2 five times
        for _ in range(5):
            cosine = ((1 + cosine) / 2).sqrt()
        values = [Decimal(1), cosine]
        for _ in range(126):
            values.append(2 * cosine * values[-1] - values[-2])
        return values


def _matrix(size: int) -> list[list[Decimal]]:
    """Returns the orthonormal DCT-II: row u holds the samples of basis function u."""
    with localcontext() as context:
        context.prec = 40
        cosines = _cosines()
        low, high = (Decimal(1) / size).sqrt(), (Decimal(2) / size).sqrt()
        return [
            [(high if u else low) * cosines[(2 * n + 1) * u * 32 // size % 128] for n in range(size)]
            for u in range(size)
        ]


def _integers(rows: list[list[Decimal]], factor: Decimal) -> npt.NDArray[np.int32]:
    return np.array([[int((x * factor).to_integral_value()) for x in row] for row in rows], np.int32)


def _tables() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    exact = np.zeros((3, STRIDE, STRIDE), np.float32)
    inverse = np.zeros((3, STRIDE, STRIDE), np.int32)
    edge = np.zeros((3, STRIDE, STRIDE), np.int32)
    for level, size in enumerate((8, 16, 32)):
        rows = _matrix(size)
        exact[level, :size, :size] = np.array(rows, np.float64)
        inverse[level, :size, :size] = _integers(rows, Decimal(1 << MATRIX_BITS))
        edge[level, :size, :size] = _integers(rows, Decimal(size).sqrt() * (1 << MATRIX_BITS))
    return exact, inverse, edge


EXACT, INVERSE, EDGE = _tables()
"""[3, 32, 32] for sizes 8, 16 and 32: the matrix in floating point, times 2^12, and times 2^12 sqrt(size)."""
_TRANSPOSED = np.ascontiguousarray(EXACT.transpose(0, 2, 1))


@inner
def inverse_transform(work: Work, middle: Work, level: int, rows: int, columns: int) -> None:
    """Turns a block's coefficients into samples, in place.

    Args:
        work: int32 [1024], coefficient (u, v) or sample (y, x) at 32 u + v; both with 4 fractional bits.
        middle: int32 [1024], room for the step between.
        level: 0, 1 or 2 for a size of 8, 16 or 32.
        rows: Only rows u below this one hold coefficients other than 0.
        columns: The same for v.
    """
    size = 8 << level
    half = size >> 1
    for y in range(half):
        for v in range(columns):
            middle[y * 32 + v] = 128
            middle[(size - 1 - y) * 32 + v] = 128
        for u in range(0, rows, 2):
            c = INVERSE[level, u, y]
            for v in range(columns):
                middle[y * 32 + v] += c * work[u * 32 + v]
        for v in range(columns):
            middle[(size - 1 - y) * 32 + v] = middle[y * 32 + v]
        for u in range(1, rows, 2):
            c = INVERSE[level, u, y]
            for v in range(columns):
                middle[y * 32 + v] += c * work[u * 32 + v]
                middle[(size - 1 - y) * 32 + v] -= c * work[u * 32 + v]
    for y in range(size):
        row = y * 32
        for x in range(size):
            work[row + x] = 1 << 15
        for v in range(columns):
            m = middle[row + v] >> 8
            for x in range(size):
                work[row + x] += m * INVERSE[level, v, x]
        for x in range(size):
            work[row + x] >>= 16


@inner
def forward_transform(
    samples: npt.NDArray[np.float32],
    y0: int,
    x0: int,
    level: int,
    middle: npt.NDArray[np.float32],
    out: npt.NDArray[np.float32],
) -> None:
    """Writes the coefficients of the block at (y0, x0) to `out`, float32 [1024], (u, v) at 32 u + v."""
    size = 8 << level
    half = size >> 1
    for u in range(size):
        for x in range(size):
            middle[u * 32 + x] = 0.0
    for y in range(half):
        top = samples[y0 + y, x0 : x0 + size]
        bottom = samples[y0 + size - 1 - y, x0 : x0 + size]
        for u in range(0, size, 2):
            c = EXACT[level, u, y]
            for x in range(size):
                middle[u * 32 + x] += c * (top[x] + bottom[x])
        for u in range(1, size, 2):
            c = EXACT[level, u, y]
            for x in range(size):
                middle[u * 32 + x] += c * (top[x] - bottom[x])
    for u in range(size):
        row = u * 32
        for v in range(size):
            out[row + v] = 0.0
        for x in range(size):
            m = middle[row + x]
            for v in range(size):
                out[row + v] += m * _TRANSPOSED[level, x, v]

"""Planes of blocks, where a block's neighbours are, and how its edges continue theirs.

At the edge between two blocks an image seldom jumps. Along an edge both blocks' pixels are sums of eight
cosines; each cosine's share in the neighbour, less what the known coefficients of this block give, is what
the unknown ones still have to give (edges are in units of 2^-10 of a pixel's level).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import compiled
from services.compressor.codecs.repack.layout import (
    COLUMNS,
    FIRST,
    ROWS,
    Geometry,
)
from services.compressor.codecs.repack.tables import EDGE, HORIZONTAL, VERTICAL, Whole

LEFT, TOP, TOP_LEFT, TOP_RIGHT, LUMA, BEFORE, MISSING = 0, 1, 2, 3, 4, 8, 9
"""Places of a block's neighbours: four in its plane, four of the first component that lie where it does,
one of the component before (from the third component on), and last the block of zeros for those missing."""
_LARGEST = 32767
"""Bound of a coefficient times its step, so that sums stay far below 2^63 whatever a file says."""


Edge = npt.NDArray[np.int64]
"""Eight numbers along an edge, or twice as many."""
Places = npt.NDArray[np.int64]
"""Numbers of a block's neighbours, int64 [10]."""


class Work(NamedTuple):
    """Room for what is known of the current block and of those before it."""

    steps: npt.NDArray[np.int64]
    """Quantisation steps, [64 (zigzag)], at least 1."""
    top_scale: npt.NDArray[np.int64]
    """2^24 over what one step of each coefficient adds to the upper edge, [64]."""
    left_scale: npt.NDArray[np.int64]
    """The same for the left edge."""
    magnitudes: npt.NDArray[np.int64]
    """Magnitudes in this block, 0 where not yet known, [65]; the last stays 0."""
    top_edge: npt.NDArray[np.int64]
    """What the upper edge still lacks, by horizontal frequency, [8]."""
    left_edge: npt.NDArray[np.int64]
    """What the left edge still lacks, by vertical frequency, [8]."""
    bottom: npt.NDArray[np.int64]
    """This block's lower edge, [8]."""
    right: npt.NDArray[np.int64]
    """This block's right edge, [8]."""
    bottoms: npt.NDArray[np.int64]
    """Lower edges of the latest block of each column, [columns, 8]."""
    estimates: npt.NDArray[np.int64]
    """Predictions of the mean, [16]."""
    diagonals: npt.NDArray[np.uint8]
    """Last diagonal of each block, [blocks + 1]."""
    residuals: npt.NDArray[np.int32]
    """What the prediction of DC left, [blocks + 1]."""


def new_work(
    steps: npt.NDArray[np.int64],
    columns: int,
    diagonals: npt.NDArray[np.uint8],
    residuals: npt.NDArray[np.int32],
) -> Work:
    """Returns the room for one component; the last two arrays are those of all components."""

    def zeros(*shape: int) -> npt.NDArray[np.int64]:
        return np.zeros(shape, np.int64)

    return Work(
        steps=steps,
        top_scale=(1 << 24) // (EDGE[VERTICAL] * steps),
        left_scale=(1 << 24) // (EDGE[HORIZONTAL] * steps),
        magnitudes=zeros(65),
        top_edge=zeros(8),
        left_edge=zeros(8),
        bottom=zeros(8),
        right=zeros(8),
        bottoms=zeros(columns, 8),
        estimates=zeros(16),
        diagonals=diagonals,
        residuals=residuals,
    )


@compiled
def find_near(near: Places, geometry: Geometry, component: int, row: int, column: int) -> int:
    """Writes the numbers of a block's neighbours to `near`, int64 [10], whose last entry is given."""
    missing = near[MISSING]
    columns, rows = geometry[component, COLUMNS], geometry[component, ROWS]
    block = geometry[component, FIRST] + row * columns + column
    near[LEFT] = block - 1 if column else missing
    near[TOP] = block - columns if row else missing
    near[TOP_LEFT] = block - columns - 1 if row and column else missing
    near[TOP_RIGHT] = block - columns + 1 if row and column + 1 < columns else missing
    near[LUMA : LUMA + 4] = missing
    near[BEFORE] = missing
    if component > 0:
        y0, x0 = row * geometry[0, ROWS] // rows, column * geometry[0, COLUMNS] // columns
        y1 = max((row + 1) * geometry[0, ROWS] // rows - 1, y0)
        x1 = max((column + 1) * geometry[0, COLUMNS] // columns - 1, x0)
        for i in range(4):
            y, x = y1 if i & 2 else y0, x1 if i & 1 else x0
            near[LUMA + i] = geometry[0, FIRST] + y * geometry[0, COLUMNS] + x
    if component > 1:
        before = component - 1
        y, x = row * geometry[before, ROWS] // rows, column * geometry[before, COLUMNS] // columns
        near[BEFORE] = geometry[before, FIRST] + y * geometry[before, COLUMNS] + x
    return block


@compiled
def begin_edges(work: Work, row: int, column: int) -> None:
    """Takes the neighbours' edges as what this block's edges lack; the image's own edges lack nothing."""
    for i in range(8):
        work.top_edge[i] = work.bottoms[column, i] if row else 0
        work.left_edge[i] = work.right[i] if column else 0
        work.bottom[i] = 0
    work.right[:] = 0


@compiled
def add_to_edges(work: Work, k: int, value: Whole) -> None:
    """Adds a coefficient to this block's edges."""
    v, u = VERTICAL[k], HORIZONTAL[k]
    amplitude = min(max(value * work.steps[k], -_LARGEST), _LARGEST)
    down, across = amplitude * EDGE[v], amplitude * EDGE[u]
    work.top_edge[u] -= down
    work.left_edge[v] -= across
    work.bottom[u] += -down if v & 1 else down
    work.right[v] += -across if u & 1 else across


@compiled
def end_edges(work: Work, column: int) -> None:
    """Keeps this block's lower edge for the row below."""
    work.bottoms[column] = work.bottom

"""What a pixel's neighbours say about its palette entry: docs/codecs/kmeans.md lists the contexts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import compiled

CONTEXTS = 7
"""Contexts of a pixel."""
_DISTANCE_CLASSES = 8


@compiled
def contexts_of(
    indices: npt.NDArray[np.uint8],
    x: int,
    y: int,
    colors: npt.NDArray[np.int64],
    contexts: npt.NDArray[np.int64],
) -> None:
    """Computes a pixel's contexts from the pixels before it, row by row.

    Args:
        indices: Entries, [height, width]; those of the pixels before this one are read.
        x: Column.
        y: Row.
        colors: The palette as RGBA, [256, 4]; entries that the palette lacks are 0.
        contexts: Set to the contexts, [CONTEXTS + 2]: those that models see, each below 2^45; then how the
            neighbours agree, 0..31, and how far apart their colours are, 0..7, which choose weights.
    """
    width = indices.shape[1]
    zero = np.int64(0)
    above = np.int64(indices[y - 1, x]) if y > 0 else zero
    left = np.int64(indices[y, x - 1]) if x > 0 else above
    if y == 0:
        above = left
    corner = np.int64(indices[y - 1, x - 1]) if x > 0 and y > 0 else above
    right = np.int64(indices[y - 1, x + 1]) if y > 0 and x < width - 1 else above
    far_right = np.int64(indices[y - 1, x + 2]) if y > 0 and x < width - 2 else right
    far_left = np.int64(indices[y, x - 2]) if x > 1 else left
    far_above = np.int64(indices[y - 2, x]) if y > 1 else above
    above_right = np.int64(indices[y - 2, x + 1]) if y > 1 and x < width - 1 else right
    plane, slope, mean, diagonal, apart = zero, zero, zero, zero, zero
    for channel in range(4):
        w, n = colors[left, channel], colors[above, channel]
        nw, ne = colors[corner, channel], colors[right, channel]
        plane = plane << 5 | min(max(w + n - nw, 0), 255) >> 3
        slope = slope << 5 | min(max(w + ((ne - nw) >> 1), 0), 255) >> 3
        near = 2 * w + 2 * n + nw + ne + colors[far_left, channel] + colors[far_above, channel]
        mean = mean << 6 | near >> 5
        diagonal = diagonal << 5 | min(max(n + ne - colors[above_right, channel], 0), 255) >> 3
        apart += abs(w - nw) + abs(n - nw) + abs(n - ne)
    distance = zero
    while distance < _DISTANCE_CLASSES - 1 and 6 << distance < apart:
        distance += 1
    contexts[0] = left << 8 | above
    contexts[1] = above << 16 | right << 8 | far_right
    contexts[2] = left << 24 | above << 16 | corner << 8 | right
    contexts[3] = plane
    contexts[4] = slope << 8 | above
    contexts[5] = mean << 3 | distance
    contexts[6] = diagonal << 8 | left
    contexts[7] = (
        np.int64(left == above)
        | np.int64(above == corner) << 1
        | np.int64(above == right) << 2
        | np.int64(left == far_left) << 3
        | np.int64(left == corner) << 4
    )
    contexts[8] = distance

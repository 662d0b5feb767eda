"""Error diffusion: what a pixel loses to its palette entry, its neighbours make up for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import compiled
from services.compressor.codecs.kmeans.space import Points


def dither(
    points: npt.NDArray[np.int32],
    labels: npt.NDArray[np.uint8],
    numbers: npt.NDArray[np.int32],
    entries: Points,
    strength: float,
) -> npt.NDArray[np.uint8]:
    """Returns the index of each pixel by Floyd-Steinberg error diffusion, every other row from the right.

    R. Floyd, L. Steinberg, "An adaptive algorithm for spatial greyscale" (1976).

    Args:
        points: Points of the distinct colours, [colours, 4].
        labels: Entry nearest to each.
        numbers: Each pixel's colour, [height, width].
        entries: Points of the palette, [entries, 4].
        strength: Share of the error that is passed on, 0..1.
    """
    differences = entries[:, np.newaxis, :].astype(np.int64) - entries
    distances = np.square(differences).sum(-1)
    order = np.argsort(distances, axis=1, kind="stable").astype(np.int32)
    return _diffuse(
        points,
        labels,
        numbers,
        entries,
        order,
        np.take_along_axis(distances, order, 1),
        round(256 * strength),
    )


@compiled
def _diffuse(
    points: Points,
    labels: npt.NDArray[np.uint8],
    numbers: npt.NDArray[np.int32],
    entries: Points,
    order: npt.NDArray[np.int32],
    distances: npt.NDArray[np.int64],
    strength: int,
) -> npt.NDArray[np.uint8]:
    height, width = numbers.shape
    indices = np.empty((height, width), np.uint8)
    # Errors of this row and the next, times 16, with a column of margin on both sides.
    errors = np.zeros((2, width + 2, 4), np.int64)
    wanted = np.empty(4, np.int64)
    lowest, highest = np.empty(4, np.int64), np.empty(4, np.int64)
    for channel in range(4):
        lowest[channel], highest[channel] = points[:, channel].min(), points[:, channel].max()
    for y in range(height):
        here, below = errors[y & 1], errors[1 - (y & 1)]
        below[:] = 0
        step = 1 - 2 * (y & 1)
        for i in range(width):
            x = i if step > 0 else width - 1 - i
            number = numbers[y, x]
            for channel in range(4):
                value = points[number, channel] + ((here[x + 1, channel] + 8) >> 4)
                wanted[channel] = min(max(value, lowest[channel]), highest[channel])
            entry = _nearest(wanted, int(np.int64(labels[number])), entries, order, distances)
            indices[y, x] = entry
            for channel in range(4):
                error = (wanted[channel] - entries[entry, channel]) * strength >> 8
                here[x + 1 + step, channel] += 7 * error
                below[x + 1 - step, channel] += 3 * error
                below[x + 1, channel] += 5 * error
                below[x + 1 + step, channel] += error
    return indices


@compiled
def _nearest(
    point: npt.NDArray[np.int64],
    start: int,
    entries: Points,
    order: npt.NDArray[np.int32],
    distances: npt.NDArray[np.int64],
) -> int:
    """Returns the nearest entry, looking at those near `start` first.

    An entry more than twice as far from `start` as the point is cannot be nearer to the point than `start`.
    """
    best = start
    least = _distance(point, entries, start)
    bound = 4 * least
    for i in range(1, len(entries)):
        if distances[start, i] > bound:
            break
        distance = _distance(point, entries, order[start, i])
        if distance < least:
            least = distance
            best = int(np.int64(order[start, i]))
    return best


@compiled
def _distance(point: npt.NDArray[np.int64], entries: Points, entry: int) -> int:
    square = np.int64(0)
    for channel in range(4):
        difference = point[channel] - entries[entry, channel]
        square += difference * difference
    return int(square)

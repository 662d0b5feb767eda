"""Where the clustering starts: boxes of points, cut again and again where most is gained."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import compiled
from services.compressor.codecs.kmeans.space import Points


@compiled
def variance_cut(points: Points, weights: npt.NDArray[np.int64], k: int) -> Points:
    """Returns at most k centres, [k, 4]; fewer where there are fewer points.

    As X. Wu, "Efficient Statistical Computations for Optimal Color Quantization" (Graphics Gems II, 1991):
    the group whose squares about its mean are the largest is cut in two across its axis of largest variance,
    at the mean.
    """
    order = np.arange(len(points))
    first, end = np.zeros(k, np.int64), np.zeros(k, np.int64)
    centers = np.zeros((k, 4), np.int32)
    spread, axis = np.zeros(k), np.zeros(k, np.int64)
    first[0], end[0] = 0, len(points)
    _measure(points, weights, order, 0, first, end, centers, spread, axis)
    groups = 1
    while groups < k:
        widest = np.argmax(spread[:groups])
        if spread[widest] <= 0:
            break
        # Points at the mean or below it go left.
        left, right = first[widest], end[widest] - 1
        channel, mean = axis[widest], centers[widest, axis[widest]]
        while left <= right:
            if points[order[left], channel] <= mean:
                left += 1
            else:
                order[left], order[right] = order[right], order[left]
                right -= 1
        if left == first[widest] or left == end[widest]:
            spread[widest] = 0
            continue
        first[groups], end[groups] = left, end[widest]
        end[widest] = left
        for group in (int(widest), groups):
            _measure(points, weights, order, group, first, end, centers, spread, axis)
        groups += 1
    return centers[:groups].copy()


@compiled
def _measure(
    points: Points,
    weights: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
    group: int,
    first: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    centers: Points,
    spread: npt.NDArray[np.float64],
    axis: npt.NDArray[np.int64],
) -> None:
    """Sets a group's mean, its squares about the mean, and the axis with most of them."""
    weight = np.int64(0)
    sums = np.zeros(4, np.int64)
    squares = np.zeros(4, np.int64)
    for i in range(first[group], end[group]):
        w = weights[order[i]]
        weight += w
        for channel in range(4):
            value = np.int64(points[order[i], channel])
            sums[channel] += w * value
            squares[channel] += w * value * value
    spread[group] = 0
    most = -1.0
    for channel in range(4):
        # The floor of the mean: a point above it exists unless all are equal.
        centers[group, channel] = sums[channel] // weight
        about = float(squares[channel]) - float(sums[channel]) * float(sums[channel]) / weight
        spread[group] += max(about, 0.0)
        if about > most:
            most = about
            axis[group] = channel
    if end[group] - first[group] < 2:
        spread[group] = 0

"""Lloyd's iteration by the filtering algorithm.

T. Kanungo et al., "An Efficient k-Means Clustering Algorithm: Analysis and Implementation", IEEE PAMI 24
(2002): centres go down a tree of boxes together, and those leave that are nearest to no point of a box. It is
exact, and all sums are of whole numbers, so that their order does not matter.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import compiled
from services.compressor.codecs.kmeans.space import Points
from services.compressor.codecs.kmeans.tree import MOMENTS, Tree

_MOST_DEPTH = 40
"""Above the 32 bits of a place in the tree."""


@compiled
def lloyd(tree: Tree, centers: Points, sums: npt.NDArray[np.int64], passes: int, least_gain: float) -> float:
    """Moves centres, [k, 4], to the means of the points nearest to them, again and again.

    Args:
        tree: The points.
        centers: Centres, changed in place. One that is nearest to no point stays where it is.
        sums: Set to the moments of each centre's points, [k, MOMENTS].
        passes: Most passes, at least 1.
        least_gain: Stops when a pass lowers the sum of squares by less than this share of it.

    Returns:
        The weighted sum of squared distances of the points from the means of their groups.
    """
    labels = np.empty(0, np.uint8)
    before = np.inf
    for _ in range(passes):
        assign(tree, centers, sums, labels)
        after = _moved(centers, sums)
        if before - after <= least_gain * after:
            return after
        before = after
    return before


@compiled
def _moved(centers: Points, sums: npt.NDArray[np.int64]) -> float:
    """Puts centres on the means of their points; returns the sum of the squares about the means."""
    total = 0.0
    for center in range(len(centers)):
        weight = sums[center, 8]
        if weight == 0:
            continue
        for channel in range(4):
            value = sums[center, channel]
            total += float(sums[center, 4 + channel]) - float(value) * float(value) / weight
            centers[center, channel] = (2 * value + weight) // (2 * weight)
    return total


@compiled
def assign(tree: Tree, centers: Points, sums: npt.NDArray[np.int64], labels: npt.NDArray[np.uint8]) -> None:
    """Finds the nearest centre of each point, the first one of equals.

    Args:
        tree: The points.
        centers: Centres, [k, 4], k at most 256.
        sums: Set to the moments of each centre's points, [k, MOMENTS].
        labels: Set to each point's centre in the tree's order; an empty array leaves them out.
    """
    k = len(centers)
    sums[:] = 0
    candidates = np.empty((_MOST_DEPTH, k), np.int32)
    counts = np.empty(_MOST_DEPTH, np.int32)
    for center in range(k):
        candidates[0, center] = center
    counts[0] = k
    node = 0
    while node < len(tree.first):
        depth = tree.depth[node]
        here = candidates[depth + 1]
        left = _filter(tree.low[node], tree.high[node], centers, candidates[depth], int(counts[depth]), here)
        counts[depth + 1] = left
        if left == 1:
            center = here[0]
            for moment in range(MOMENTS):
                sums[center, moment] += tree.sums[node, moment]
            if len(labels):
                labels[tree.first[node] : tree.end[node]] = center
            node = tree.skip[node]
            continue
        node += 1
        if tree.skip[node - 1] != node:
            continue
        for i in range(tree.first[node - 1], tree.end[node - 1]):
            center = _nearest(tree.points[i], centers, here, left)
            weight = tree.weights[i]
            for channel in range(4):
                value = np.int64(tree.points[i, channel])
                sums[center, channel] += weight * value
                sums[center, 4 + channel] += weight * value * value
            sums[center, 8] += weight
            if len(labels):
                labels[i] = center


@compiled
def _filter(
    low: npt.NDArray[np.int32],
    high: npt.NDArray[np.int32],
    centers: Points,
    candidates: npt.NDArray[np.int32],
    count: int,
    left: npt.NDArray[np.int32],
) -> int:
    """Copies the candidates that may be nearest to a point of a box; returns how many."""
    m0, m1 = (low[0] + high[0]) >> 1, (low[1] + high[1]) >> 1
    m2, m3 = (low[2] + high[2]) >> 1, (low[3] + high[3]) >> 1
    best = candidates[0]
    least = np.int32(0x7FFFFFFF)
    for j in range(count):
        c = candidates[j]
        d0, d1, d2, d3 = centers[c, 0] - m0, centers[c, 1] - m1, centers[c, 2] - m2, centers[c, 3] - m3
        distance = np.int32(d0 * d0 + d1 * d1 + d2 * d2 + d3 * d3)
        if distance < least:
            least = distance
            best = c
    b0, b1, b2, b3 = centers[best, 0], centers[best, 1], centers[best, 2], centers[best, 3]
    kept = 0
    for j in range(count):
        c = candidates[j]
        # |x - c|^2 - |x - b|^2 = (c - b) (c + b - 2 x) is least at the corner farthest towards c.
        difference = np.int64(0)
        c0, c1, c2, c3 = centers[c, 0], centers[c, 1], centers[c, 2], centers[c, 3]
        x = high[0] if c0 > b0 else low[0]
        difference += np.int64(c0 - b0) * (c0 + b0 - 2 * x)
        x = high[1] if c1 > b1 else low[1]
        difference += np.int64(c1 - b1) * (c1 + b1 - 2 * x)
        x = high[2] if c2 > b2 else low[2]
        difference += np.int64(c2 - b2) * (c2 + b2 - 2 * x)
        x = high[3] if c3 > b3 else low[3]
        difference += np.int64(c3 - b3) * (c3 + b3 - 2 * x)
        if difference <= 0:
            left[kept] = c
            kept += 1
    return kept


@compiled
def _nearest(
    point: npt.NDArray[np.int32], centers: Points, candidates: npt.NDArray[np.int32], count: int
) -> int:
    best = candidates[0]
    least = np.int32(0x7FFFFFFF)
    for j in range(count):
        c = candidates[j]
        d0, d1 = centers[c, 0] - point[0], centers[c, 1] - point[1]
        d2, d3 = centers[c, 2] - point[2], centers[c, 3] - point[3]
        distance = np.int32(d0 * d0 + d1 * d1 + d2 * d2 + d3 * d3)
        if distance < least:
            least = distance
            best = c
    return best

"""Leaving local optima: centres are split where the error is and merged where they are too many."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import compiled
from services.compressor.codecs.kmeans.lloyd import lloyd
from services.compressor.codecs.kmeans.space import Points
from services.compressor.codecs.kmeans.tree import MOMENTS, Tree

_SETTLE_PASSES = 3


@compiled
def breathe(tree: Tree, centers: Points, seed: int, trials: int) -> float:
    """Improves centres, [k, 4], in place; returns the sum of squares that is left.

    Each trial splits some centres along their axis of largest variance, lets Lloyd's iteration settle, merges
    as many pairs at the least cost (Ward's), settles again, and is kept when the sum of squares became less.
    After B. Fritzke, "The breathing k-means algorithm" (2020), which adds at random and removes.

    Args:
        tree: The points.
        centers: Centres, near a local optimum.
        seed: Seed of the splits' lengths, 0..2^32 - 1.
        trials: Trials in all.
    """
    k = len(centers)
    moments = np.empty((2 * k, MOMENTS), np.int64)
    least = lloyd(tree, centers, moments[:k], 1, 0.0)
    kept = moments[:k].copy()
    trial = np.empty((2 * k, 4), np.int32)
    state = np.uint64(seed)
    more = max(1, k // 4)
    for _ in range(trials):
        trial[:k] = centers
        state = _split(trial, kept, more, state)
        lloyd(tree, trial[: k + more], moments[: k + more], _SETTLE_PASSES, 0.0)
        _merge(trial, moments, k + more, more)
        after = lloyd(tree, trial[:k], moments[:k], _SETTLE_PASSES, 0.0)
        if after < least:
            least = after
            centers[:] = trial[:k]
            kept[:] = moments[:k]
        else:
            more = max(1, more // 2)
    return least


@compiled
def _split(centers: Points, moments: npt.NDArray[np.int64], more: int, state: np.uint64) -> np.uint64:
    """Splits the `more` centres with the largest squares along an axis; the new ones come last."""
    k = len(moments)
    squares = np.zeros(k)
    axis = np.zeros(k, np.int64)
    for center in range(k):
        weight = moments[center, 8]
        for channel in range(4):
            if weight:
                total = float(moments[center, channel])
                about = float(moments[center, 4 + channel]) - total * total / weight
                if about > squares[center]:
                    squares[center] = about
                    axis[center] = channel
    order = np.argsort(-squares, kind="mergesort")
    for i in range(more):
        center = order[i]
        centers[k + i] = centers[center]
        # Knuth's MMIX generator; the upper bits are the good ones.
        state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        share = 0.5 + (state >> np.uint64(40)) / 2**24 / 2
        if squares[center] > 0:
            step = np.int32(share * np.sqrt(squares[center] / moments[center, 8]))
            centers[center, axis[center]] -= step
            centers[k + i, axis[center]] += step
    return state


@compiled
def _merge(centers: Points, moments: npt.NDArray[np.int64], count: int, fewer: int) -> None:
    """Merges pairs of the first `count` centres, the cheapest first, until there are `fewer` fewer."""
    partner = np.empty(count, np.int64)
    cost = np.empty(count)
    for center in range(count):
        _find_partner(centers, moments, count, center, partner, cost)
    for _ in range(fewer):
        one = np.argmin(cost[:count])
        other = partner[one]
        keep, drop = int(min(one, other)), int(max(one, other))
        for moment in range(MOMENTS):
            moments[keep, moment] += moments[drop, moment]
        weight = moments[keep, 8]
        if weight:
            for channel in range(4):
                centers[keep, channel] = (2 * moments[keep, channel] + weight) // (2 * weight)
        count -= 1
        centers[drop], moments[drop] = centers[count], moments[count]
        partner[drop], cost[drop] = partner[count], cost[count]
        for center in range(count):
            if center == keep or partner[center] == keep or partner[center] == drop:
                _find_partner(centers, moments, count, center, partner, cost)
            elif partner[center] == count:
                partner[center] = drop
            if center not in (keep, drop):
                _offer(centers, moments, center, keep, partner, cost)
        if drop < count:
            _find_partner(centers, moments, count, drop, partner, cost)


@compiled
def _find_partner(
    centers: Points,
    moments: npt.NDArray[np.int64],
    count: int,
    center: int,
    partner: npt.NDArray[np.int64],
    cost: npt.NDArray[np.float64],
) -> None:
    """Finds the centre with which merging costs least."""
    cost[center] = np.inf
    for other in range(count):
        if other != center:
            _offer(centers, moments, center, other, partner, cost)


@compiled
def _offer(
    centers: Points,
    moments: npt.NDArray[np.int64],
    center: int,
    other: int,
    partner: npt.NDArray[np.int64],
    cost: npt.NDArray[np.float64],
) -> None:
    squares = np.int64(0)
    for channel in range(4):
        difference = np.int64(centers[center, channel] - centers[other, channel])
        squares += difference * difference
    w, v = float(moments[center, 8]), float(moments[other, 8])
    price = squares * (w * v / (w + v)) if w + v > 0 else 0.0
    if price < cost[center]:
        cost[center] = price
        partner[center] = other

"""A tree of boxes over weighted points, so that a pass of Lloyd's iteration looks at few of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import compiled
from services.compressor.codecs.kmeans.space import Points

MOMENTS = 9
"""Sums kept of a group of points: of four coordinates, of their squares, of weights."""
_LEAF_POINTS = 6


class Tree(NamedTuple):
    """Weighted points and a binary tree over them; a node is followed by its left part, then its right."""

    points: Points
    """Points in the order of their places along a Z-curve, [points, 4]."""
    weights: npt.NDArray[np.int64]
    """Weights, [points]."""
    order: npt.NDArray[np.intp]
    """Number that each point had before it was put in order."""
    first: npt.NDArray[np.int32]
    """A node's first point."""
    end: npt.NDArray[np.int32]
    """One past a node's last point."""
    depth: npt.NDArray[np.int32]
    """A node's depth, 0 for the root."""
    skip: npt.NDArray[np.int32]
    """The node that follows a node's subtree; a leaf's is its own number plus 1."""
    low: Points
    """Least coordinates of a node's points, [nodes, 4]."""
    high: Points
    """Greatest coordinates of a node's points, [nodes, 4]."""
    sums: npt.NDArray[np.int64]
    """Weighted sums of coordinates (0..3), of their squares (4..7), and of 1 (8), [nodes, MOMENTS]."""


def build_tree(points: Points, weights: npt.NDArray[np.int64]) -> Tree:
    """Returns the tree over distinct points, at least one."""
    keys = z_order(points)
    order = np.argsort(keys, kind="stable")
    points, weights = points[order], weights[order]
    return Tree(points, weights, order, *_nodes(keys[order], points, weights))


def z_order(points: Points) -> npt.NDArray[np.uint32]:
    """Returns where points lie on a Z-curve: the upper 8 bits of the coordinates, interleaved."""
    bits = np.arange(256, dtype=np.uint32)
    spread = np.zeros(256, np.uint32)
    for bit in range(8):
        spread |= (bits >> np.uint32(bit) & np.uint32(1)) << np.uint32(4 * bit)
    keys = np.zeros(len(points), np.uint32)
    for channel in range(4):
        keys |= spread[points[:, channel] >> 6] << np.uint32(channel)
    return keys


def merged(tree: Tree, bits: int) -> tuple[Points, npt.NDArray[np.int64]]:
    """Returns the means of points that agree in the upper `bits` of 8 of each coordinate, and weights."""
    keys = z_order(tree.points) >> np.uint32(4 * (8 - bits))
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    weights = np.add.reduceat(tree.weights, starts)
    sums = np.add.reduceat(tree.points * tree.weights[:, np.newaxis], starts, axis=0)
    means = (2 * sums + weights[:, np.newaxis]) // (2 * weights[:, np.newaxis])
    return means.astype(np.int32), weights


@compiled
def _nodes(
    keys: npt.NDArray[np.uint32], points: Points, weights: npt.NDArray[np.int64]
) -> tuple[
    npt.NDArray[np.int32],
    npt.NDArray[np.int32],
    npt.NDArray[np.int32],
    npt.NDArray[np.int32],
    Points,
    Points,
    npt.NDArray[np.int64],
]:
    """Splits a range of points where the highest bit changes in which its first and last place differ."""
    # A leaf has a point at least, so there are at most 2 n - 1 nodes; splits leave few leaves almost empty.
    most = 2 * len(keys)
    first, end = np.empty(most, np.int32), np.empty(most, np.int32)
    depth, skip = np.empty(most, np.int32), np.empty(most, np.int32)
    waiting_first, waiting_end = np.empty(64, np.int32), np.empty(64, np.int32)
    waiting_depth = np.empty(64, np.int32)
    waiting_first[0], waiting_end[0], waiting_depth[0] = 0, len(keys), 0
    waiting = 1
    nodes = 0
    while waiting:
        waiting -= 1
        start, stop, level = waiting_first[waiting], waiting_end[waiting], waiting_depth[waiting]
        first[nodes], end[nodes], depth[nodes] = start, stop, level
        nodes += 1
        if stop - start > _LEAF_POINTS and keys[start] != keys[stop - 1]:
            middle = _split(keys, start, stop)
            waiting_first[waiting], waiting_end[waiting], waiting_depth[waiting] = middle, stop, level + 1
            waiting += 1
            waiting_first[waiting], waiting_end[waiting], waiting_depth[waiting] = start, middle, level + 1
            waiting += 1
    low, high = np.empty((nodes, 4), np.int32), np.empty((nodes, 4), np.int32)
    sums = np.zeros((nodes, MOMENTS), np.int64)
    for node in range(nodes - 1, -1, -1):
        left = node + 1
        if left < nodes and depth[left] == depth[node] + 1:
            right = skip[left]
            skip[node] = skip[right]
            for channel in range(4):
                low[node, channel] = min(low[left, channel], low[right, channel])
                high[node, channel] = max(high[left, channel], high[right, channel])
            for moment in range(MOMENTS):
                sums[node, moment] = sums[left, moment] + sums[right, moment]
            continue
        skip[node] = node + 1
        for channel in range(4):
            low[node, channel] = high[node, channel] = points[first[node], channel]
        for i in range(first[node], end[node]):
            for channel in range(4):
                value = points[i, channel]
                low[node, channel] = min(low[node, channel], value)
                high[node, channel] = max(high[node, channel], value)
                sums[node, channel] += weights[i] * value
                sums[node, 4 + channel] += weights[i] * np.int64(value) * value
            sums[node, 8] += weights[i]
    return (
        first[:nodes].copy(),
        end[:nodes].copy(),
        depth[:nodes].copy(),
        skip[:nodes].copy(),
        low,
        high,
        sums,
    )


@compiled
def _split(keys: npt.NDArray[np.uint32], start: int, stop: int) -> int:
    """Returns the first of the sorted places whose highest differing bit is set."""
    differing = keys[start] ^ keys[stop - 1]
    bit = np.uint32(1)
    while differing > np.uint32(1):
        differing >>= np.uint32(1)
        bit <<= np.uint32(1)
    low, high = start, stop - 1
    while high - low > 1:
        middle = (low + high) // 2
        if keys[middle] & bit:
            high = middle
        else:
            low = middle
    return high

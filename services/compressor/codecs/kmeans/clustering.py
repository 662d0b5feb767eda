"""The palette of an image: k-means clustering of its distinct colours, coarse ones first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.base import Pixels
from services.compressor.codecs.kmeans.lloyd import assign, lloyd
from services.compressor.codecs.kmeans.seeding import variance_cut
from services.compressor.codecs.kmeans.space import Points, colors_of, points_of
from services.compressor.codecs.kmeans.swaps import breathe
from services.compressor.codecs.kmeans.tree import MOMENTS, Tree, build_tree, merged

_SEED_BITS = 5
_MOST_COARSE = 1 << 15
"""Most points on which splits and merges are tried."""
_MOST_FINE = 1 << 18
"""Most points on which the last passes are made; noise has millions of colours."""
_COARSE_PASSES = 4
_TRIALS = 6
_FINE_PASSES = 4


def cluster(
    colors: Pixels, counts: npt.NDArray[np.int64], k: int, seed: int
) -> tuple[Pixels, npt.NDArray[np.uint8]]:
    """Returns a palette that stands for colours, and which of its entries is nearest to each.

    Whole numbers throughout, or floats in a fixed order: the same on every machine.

    Args:
        colors: Distinct colours, uint8 [colours, 1, 3 or 4].
        counts: How many pixels have each.
        k: Most entries, 1..256.
        seed: Seed of the trials, 0..2^32 - 1.

    Returns:
        The palette, uint8 [entries, channels], sorted, each entry nearest to some colour; and each colour's
        entry, the first one of equals.
    """
    tree = build_tree(points_of(colors), counts)
    fine = _at_most(tree, _MOST_FINE)
    coarse = _at_most(fine, _MOST_COARSE)
    centers = variance_cut(*merged(coarse, _SEED_BITS), k)
    if len(centers) < k:
        centers = variance_cut(coarse.points, coarse.weights, k)
    moments = np.empty((len(centers), MOMENTS), np.int64)
    lloyd(coarse, centers, moments, _COARSE_PASSES, 0.0)
    breathe(coarse, centers, seed, _TRIALS)
    lloyd(fine, centers, moments, _FINE_PASSES, 0.0)
    _, palette = sorted_palette(np.unique(colors_of(centers, colors.shape[1]), axis=0))
    labels = nearest(tree, points_of(palette))
    # Once rounded, a centre may be nobody's nearest.
    used, labels = np.unique(labels, return_inverse=True)
    return palette[used], labels.astype(np.uint8)


def nearest(tree: Tree, entries: Points) -> npt.NDArray[np.uint8]:
    """Returns the number of the entry nearest to each point, in the order before the tree's."""
    in_order = np.empty(len(tree.points), np.uint8)
    assign(tree, entries, np.empty((len(entries), MOMENTS), np.int64), in_order)
    labels = np.empty(len(tree.points), np.uint8)
    labels[tree.order] = in_order
    return labels


def sorted_palette(palette: Pixels) -> tuple[npt.NDArray[np.intp], Pixels]:
    """Returns the order of entries, by opacity and then by channels, and the entries so sorted."""
    channels = palette.shape[1]
    columns = [3, 0, 1, 2] if channels == 4 else list(range(channels))
    order = np.lexsort([palette[:, column] for column in reversed(columns)])
    return order, palette[order]


def _at_most(tree: Tree, points: int) -> Tree:
    """Returns the tree over so many points at most, joining those whose upper bits agree."""
    for bits in (7, 6, 5, 4, 3):
        if len(tree.points) <= points:
            break
        tree = build_tree(*merged(tree, bits))
    return tree

"""Whether a generator repeats its training images: nearest neighbours in feature space.

Generated images that come nearer to a training image than unseen photographs do are suspects. Each image is
looked for as it is and mirrored, since training mirrors images too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import mannwhitneyu
from sklearn.neighbors import NearestNeighbors

from trainer.metrics.distances import require_enough

QUANTILE = 0.05
NEIGHBOURS = 3
"""Training images found for each image."""


@dataclass(frozen=True)
class Nearest:
    """The training images nearest to each of N images."""

    distance: np.ndarray
    """float [N, NEIGHBOURS], ascending."""
    index: np.ndarray
    """int [N, NEIGHBOURS], into the training images."""


def nearest(train: np.ndarray, features: np.ndarray, mirrored: np.ndarray) -> Nearest:
    """Finds the training images nearest to N images.

    Args:
        train: features of the training images, [M, F].
        features: of the N images, [N, F].
        mirrored: of the same images mirrored left to right, [N, F].
    """
    neighbours = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(train)
    found = [neighbours.kneighbors(rows) for rows in (features, mirrored)]
    mirror_is_nearer = found[1][0][:, :1] < found[0][0][:, :1]
    distance, index = (np.where(mirror_is_nearer, found[1][i], found[0][i]) for i in (0, 1))
    return Nearest(distance, index)


@dataclass(frozen=True)
class Copying:
    """How distances to the nearest training image compare with those of unseen photographs."""

    share: float
    """Share of generated images nearer to a training image than the nearest 5 % of the unseen; about 0.05
    for a model that does not copy, 1 for copies."""
    z: float
    """Test statistic for data copying of Meehan, Chaudhuri & Dasgupta 2020 (arXiv 2004.05675), all images as
    one cell: standard normal for unseen images, strongly negative for copies."""
    suspicious: bool
    """The share is above 0.05 by more than three standard errors of the two samples."""


def copying(fake: Nearest, unseen: Nearest) -> Copying:
    """Compares distances to the nearest training image of generated images and unseen photographs."""
    a, b = fake.distance[:, 0], unseen.distance[:, 0]
    require_enough(generated=a, unseen=b)
    share = float((a < np.quantile(b, QUANTILE)).mean())
    m, n = len(a), len(b)
    u = mannwhitneyu(a, b).statistic  # pairs in which the generated image is farther
    error = np.sqrt(QUANTILE * (1 - QUANTILE) * (1 / m + 1 / n))
    return Copying(
        share=share,
        z=float((u - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12)),
        suspicious=bool(share > QUANTILE + 3 * error),
    )

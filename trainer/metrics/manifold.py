"""Whether generated images lie among the real ones, and whether they reach all of them.

All four numbers draw a ball around images up to their k-th nearest neighbour in feature space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

from trainer.metrics.distances import require_enough

PRECISION_K, DENSITY_K = 3, 5
"""Neighbours, as the authors chose them."""


@dataclass(frozen=True)
class Manifold:
    """Precision and recall of Kynkäänniemi et al. 2019, density and coverage of Naeem et al. 2020."""

    precision: float
    """Share of generated images in the ball of any real image, 0..1; one outlier's ball can hold them all."""
    recall: float
    """Share of real images in the ball of some generated image, 0..1."""
    density: float
    """Number of real balls that a generated image lies in, on average, over k; may exceed 1."""
    coverage: float
    """Share of real images with a generated image in their ball, 0..1; 1 - 2^-k = 0.97 for real images."""


def manifold(real: np.ndarray, fake: np.ndarray) -> Manifold:
    """Compares features [N, F] of equally many real and generated images: balls shrink as N grows."""
    require_enough(real=real, generated=fake)
    distance = pairwise_distances(fake, real)  # [fakes, reals]
    real_density_ball, real_precision_ball = (_radius(real, k) for k in (DENSITY_K, PRECISION_K))
    return Manifold(
        precision=float((distance <= real_precision_ball).any(1).mean()),
        recall=float((distance <= _radius(fake, PRECISION_K)[:, None]).any(0).mean()),
        density=float((distance <= real_density_ball).sum() / (DENSITY_K * len(fake))),
        coverage=float((distance.min(0) <= real_density_ball).mean()),
    )


def _radius(features: np.ndarray, k: int) -> np.ndarray:
    """Returns the distance of each row to its k-th nearest other row."""
    return NearestNeighbors(n_neighbors=k).fit(features).kneighbors()[0][:, -1]

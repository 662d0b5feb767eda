"""How far the features of generated images are from those of real ones, as one number."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from trainer.metrics import MetricsError

MIN_IMAGES = 100
"""With fewer images on either side the figures say nothing."""
KID_SUBSETS, KID_SUBSET_SIZE = 20, 500


class _Features(nn.Module):
    """Hands features on where torchmetrics expects a network."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def require_enough(**sides: np.ndarray) -> None:
    """Raises MetricsError where a side, named by its keyword, has fewer than MIN_IMAGES rows."""
    for name, rows in sides.items():
        if len(rows) < MIN_IMAGES:
            raise MetricsError(
                f"{len(rows)} {name} images are too few to measure; at least {MIN_IMAGES} are needed"
            )


def frechet_distance(real: np.ndarray, fake: np.ndarray) -> float:
    """Returns the Fréchet distance of two Gaussians fitted to features [N, F] (Heusel et al. 2017).

    It grows as the numbers of images fall: compare values at equal numbers only.
    """
    require_enough(real=real, generated=fake)
    metric = FrechetInceptionDistance(feature=_Features(real.shape[1]))
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(fake), real=False)
    return float(metric.compute())


def kernel_distance(real: np.ndarray, fake: np.ndarray, seed: int) -> float:
    """Returns the kernel distance (squared MMD, cubic kernel; Bińkowski et al. 2018) of features [N, F].

    Its expectation does not depend on the numbers of images, and is 0 for two samples of the same images.
    The mean of 20 random subsets of 500 images, or of as many as there are.
    """
    require_enough(real=real, generated=fake)
    size = min(KID_SUBSET_SIZE, len(real), len(fake))
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.filterwarnings("ignore", message=".*save all extracted features in buffer")
        torch.manual_seed(seed)
        metric = KernelInceptionDistance(
            feature=_Features(real.shape[1]), subsets=KID_SUBSETS, subset_size=size
        )
        metric.update(torch.from_numpy(real), real=True)
        metric.update(torch.from_numpy(fake), real=False)
        return float(metric.compute()[0])

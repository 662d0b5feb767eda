"""Adversarial losses as plain functions of logits.

Each takes logits float [N] and returns a scalar. `d_` is what the discriminator minimises, `g_` what
the generator minimises.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def d_minimax(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's loss of Goodfellow et al. 2014, arXiv 1406.2661."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def g_non_saturating(fake: Tensor) -> Tensor:
    """The generator's non-saturating loss of Goodfellow et al. 2014."""
    return F.softplus(-fake).mean()


def d_relativistic(real: Tensor, fake: Tensor) -> Tensor:
    """The pairing loss of Jolicoeur-Martineau 2018 (arXiv 1807.00734), as in R3GAN (arXiv 2501.05441)."""
    return F.softplus(fake - real).mean()


def g_relativistic(real: Tensor, fake: Tensor) -> Tensor:
    """The generator's side of the pairing loss."""
    return F.softplus(real - fake).mean()


def d_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """The hinge loss of Lim & Ye 2017, arXiv 1705.02894."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def g_hinge(fake: Tensor) -> Tensor:
    """The generator's side of the hinge loss."""
    return -fake.mean()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Returns the mean squared norm of d logits / d images.

    R1 (Mescheder et al. 2018, arXiv 1801.04406) on real images, R2 on generated ones. `images`
    [N, C, S, S] must require a gradient.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()

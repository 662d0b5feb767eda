"""Losses and penalties as plain functions.

An adversarial loss takes logits float [N] and returns a scalar; `d_` is what the discriminator minimises,
`g_` what the generator does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from trainer.distributed import Group
from trainer.models.convolution import no_weight_gradients


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


def d_wasserstein(real: Tensor, fake: Tensor) -> Tensor:
    """The critic's loss of Arjovsky et al. 2017, arXiv 1701.07875; its logits are scores without bound."""
    return fake.mean() - real.mean()


def g_wasserstein(fake: Tensor) -> Tensor:
    """The generator's side of the Wasserstein loss."""
    return -fake.mean()


@dataclass(frozen=True)
class Adversarial:
    """Both sides of a game, each a function of the logits of real and of generated images."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]


ADVERSARIAL = {
    "minimax": Adversarial(d_minimax, lambda _, fake: g_non_saturating(fake)),
    "relativistic": Adversarial(d_relativistic, g_relativistic),
    "hinge": Adversarial(d_hinge, lambda _, fake: g_hinge(fake)),
    "wasserstein": Adversarial(d_wasserstein, lambda _, fake: g_wasserstein(fake)),
}
"""The losses that a configuration chooses among."""


def classification(scores: Tensor, label: Tensor, group: Group) -> Tensor:
    """Returns the mean cross-entropy of the labelled images; 0 if there is none.

    Args:
        scores: float [N, K].
        label: int64 [N], -1 for an unlabelled image.
        group: the mean is over the images of all ranks, once gradients are averaged.
    """
    labelled = group.mean((label >= 0).float().sum()).clamp(min=1 / group.world)
    return F.cross_entropy(scores, label, ignore_index=-1, reduction="sum") / labelled


def zero_centred_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Returns the mean squared norm of d logits / d images.

    R1 (Mescheder et al. 2018, arXiv 1801.04406) on real images, R2 on generated ones. `images`
    [N, C, S, S] must require a gradient.
    """
    return _gradient(logits, images).square().sum(1).mean()


def one_centred_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Returns the mean squared distance from 1 of the norm of d logits / d images.

    WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028), on images between real and generated ones.
    """
    return (torch.linalg.vector_norm(_gradient(logits, images), dim=1) - 1).square().mean()


def _gradient(logits: Tensor, images: Tensor) -> Tensor:
    with no_weight_gradients():
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.flatten(1)

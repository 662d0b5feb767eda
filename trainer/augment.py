"""Differentiable augmentation of real and generated images alike.

DiffAugment (Zhao et al. 2020, arXiv 2006.10738) without cutout, which leaks into samples; translation
is padded by reflection, since zeros teach the generator grey frames. Each image is augmented with
probability p, which adapts to the discriminator's lead (ADA: Karras et al. 2020, arXiv 2006.06676).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from trainer.distributed import Group


def augment(images: Tensor, p: float, rng: torch.Generator, group: Group) -> Tensor:
    """Returns images [N, C, S, S] in which about a share `p` is changed in colour and moved by up to S/8.

    `images` are this rank's rows of a batch; the random numbers are drawn for the whole batch.
    """
    if p <= 0:
        return images
    size, n = images.shape[2], len(images) * group.world
    brightness, saturation, contrast = (group.slice(torch.rand(n, 1, 1, 1, generator=rng)) for _ in range(3))
    changed = images + (brightness.to(images) - 0.5)
    grey = changed.mean(1, keepdim=True)
    changed = grey + (changed - grey) * (saturation.to(images) * 2)
    mean = changed.mean((1, 2, 3), keepdim=True)
    changed = mean + (changed - mean) * (contrast.to(images) + 0.5)
    shift_px = torch.randint(-(size // 8), size // 8 + 1, (n, 2), generator=rng)
    changed = _translate(changed, group.slice(shift_px))
    chosen = group.slice(torch.rand(n, 1, 1, 1, generator=rng)) < p
    return torch.where(chosen.to(images.device), changed, images)


def _translate(images: Tensor, shift_px: Tensor) -> Tensor:
    n, _, size, _ = images.shape
    pad = size // 8
    padded = F.pad(images, (pad, pad, pad, pad), mode="reflect")
    rows = (torch.arange(size) + pad)[None, :] + shift_px[:, :1]
    columns = (torch.arange(size) + pad)[None, :] + shift_px[:, 1:]
    batch = torch.arange(n)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]]  # [N, S, S, C]
    return moved.permute(0, 3, 1, 2)


class AdaptiveProbability:
    """Raises p while the discriminator's lead over the generator is above a target, lowers it below.

    The lead is the mean sign of D(real) - D(fake) over pairs, smoothed: 0 means blind, 1 that every
    pair is told apart.
    """

    TARGET = 0.6
    IMAGES_TO_FULL = 500_000
    """Images over which p can rise from 0 to 1 (ADA's default)."""

    def __init__(self, maximum: float) -> None:
        self.maximum = maximum
        self.p = 0.0
        self.lead = 0.0

    def update(self, lead: float, images: int) -> None:
        """Takes the lead in a batch of so many images."""
        self.lead = 0.99 * self.lead + 0.01 * lead
        step = images / self.IMAGES_TO_FULL
        self.p = min(max(self.p + (step if self.lead > self.TARGET else -step), 0.0), self.maximum)

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

    def own(numbers: Tensor) -> Tensor:
        return group.slice(numbers).to(images.device, non_blocking=True)

    brightness, saturation, contrast = (own(torch.rand(n, 1, 1, 1, generator=rng)) for _ in range(3))
    shift_px = own(torch.randint(-(size // 8), size // 8 + 1, (n, 2), generator=rng))
    chosen = own(torch.rand(n, 1, 1, 1, generator=rng) < p)
    changed = images + (brightness - 0.5)
    grey = changed.mean(1, keepdim=True)
    changed = grey + (changed - grey) * (saturation * 2)
    mean = changed.mean((1, 2, 3), keepdim=True)
    changed = mean + (changed - mean) * (contrast + 0.5)
    return torch.where(chosen, _translate(changed, shift_px), images)


def _translate(images: Tensor, shift_px: Tensor) -> Tensor:
    n, _, size, _ = images.shape
    pad, device = size // 8, images.device
    padded = F.pad(images, (pad, pad, pad, pad), mode="reflect")
    places = torch.arange(size, device=device)[None, :] + pad
    rows, columns = places + shift_px[:, :1], places + shift_px[:, 1:]
    batch = torch.arange(n, device=device)[:, None, None]
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
    EVERY_STEPS = 16
    """Batches between changes of p: each change waits for the device."""

    def __init__(self, maximum: float, group: Group) -> None:
        self.maximum = maximum
        self.p = 0.0
        self.lead = 0.0
        self._group = group
        self._pending: Tensor | float = 0.0
        self._pending_steps = 0

    def update(self, real: Tensor, fake: Tensor) -> None:
        """Takes the logits of this rank's rows of a batch."""
        self._pending = self._pending + (real - fake).sign().float().mean()
        self._pending_steps += 1
        if self._pending_steps == self.EVERY_STEPS:
            keep = 0.99**self.EVERY_STEPS
            self.lead = keep * self.lead + (1 - keep) * self._pending_mean() / self.EVERY_STEPS
            images = len(real) * self._group.world * self.EVERY_STEPS
            step = images / self.IMAGES_TO_FULL
            self.p = min(max(self.p + (step if self.lead > self.TARGET else -step), 0.0), self.maximum)
            self._pending, self._pending_steps = 0.0, 0

    def _pending_mean(self) -> float:
        return self._group.mean(torch.as_tensor(self._pending)).item()

    def state(self) -> dict[str, float]:
        """Returns what `restore` needs; every rank has to call it."""
        return {
            "p": self.p, "lead": self.lead,
            "pending": self._pending_mean(), "pending_steps": self._pending_steps,
        }  # fmt: skip

    def restore(self, state: dict[str, float]) -> None:
        """Continues from what `state` returned."""
        self.p, self.lead = state["p"], state["lead"]
        self._pending, self._pending_steps = state["pending"], int(state["pending_steps"])

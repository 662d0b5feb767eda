"""Watches a run for mode collapse: a generator whose samples of a label are nearly one picture.

A label's diversity is how far its samples lie from their nearest neighbour among each other, against the
same for as many photographs of it: 1 as varied as they are, 0 one picture. Distances are taken between
images reduced to 16x16, which costs nothing and sees layout and colour, what collapses first. Nearest
neighbours, unlike all pairs, also show a generator that knows just a few pictures.

Three healthy runs on photographs of cars and dogs began at 0.01 to 0.05, rose, the slowest past 0.07 at 1,000
steps and 0.2 at 1,500, and ended at 0.9. So what counts is a low that lasts, does not rise, and comes after
the first thousand steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainer.data.dataset import Dataset

LOW_DIVERSITY = 0.1
"""Below this share of the photographs' diversity a label is low."""
PATIENCE_CHECKS, PATIENCE_STEPS = 3, 500
"""It has collapsed when it was low in so many checks in a row, over at least so many steps."""
RISE, RISE_FROM = 1.25, 0.02
"""A label whose diversity has grown by this factor, or from nothing to more than so much, is on its way up:
the wait begins anew."""
YOUNG_STEPS = 1_000
"""A generator starts with one grey picture; what it draws in its first steps is not held against it."""
HIGH_LEAD = 0.98
"""A lead above which 99 of 100 pairs are told apart."""

SIDE_PX = 16
MAX_NAMES = 5
"""Labels that a message names."""
MAX_SAMPLES, MIN_SAMPLES, ALL_SAMPLES = 64, 8, 512
"""Samples of a label at most and at least, and of all labels together as long as the least allows it."""


class CollapseMonitor:
    """Judges a generator's samples at fixed noise, check after check.

    Attributes:
        z: float [N, z_dim], the noise to draw the samples from.
        label: int64 [N], their labels.
        young_steps: checks before this step never count as low.
        patience_steps: steps that a low has to last.
    """

    def __init__(self, data: Dataset, n_labels: int, z_dim: int, seed: int) -> None:
        """Takes photographs of each label as the measure.

        Args:
            data: the photographs.
            n_labels: labels the generator knows; 0 for an unconditional one, which is judged as a whole.
            z_dim: length of a latent vector.
            seed: seed of the choice of photographs and of the noise.
        """
        self.young_steps, self.patience_steps = YOUNG_STEPS, PATIENCE_STEPS
        self._names = data.label_names if n_labels else ("",)
        self._photographs: dict[int, float] = {}
        self._low: dict[str, _Low] = {}
        rng = np.random.default_rng(seed)
        counts: list[int] = []
        for i in range(len(self._names)):
            rows = np.flatnonzero(data.labels == i) if n_labels else np.arange(len(data.images))
            # Half of the photographs at most: drawing n of n, even a perfect generator repeats itself.
            n = min(MAX_SAMPLES, max(MIN_SAMPLES, ALL_SAMPLES // len(self._names)), len(rows) // 2)
            if n < MIN_SAMPLES:
                continue
            chosen = np.sort(rng.choice(rows, n, replace=False))
            distance = _nearest(torch.from_numpy(data.images[chosen]).float() / 127.5 - 1)
            if distance > 0:
                self._photographs[i] = distance
                counts += [i] * n
        self.label = torch.tensor(counts, dtype=torch.int64)
        self.z = torch.randn(len(counts), z_dim, generator=torch.Generator().manual_seed(seed))

    def diversity(self, images: Tensor) -> dict[str, float]:
        """Returns each judged label's diversity for the images float [N, C, S, S] in -1..1 drawn from `z`."""
        return {
            self._names[i]: _nearest(images[self.label == i]) / distance
            for i, distance in self._photographs.items()
        }

    def check(self, step: int, diversity: Mapping[str, float]) -> list[str]:
        """Takes the diversity of a step; returns the labels that with this check have become collapsed."""
        fallen: list[str] = []
        for name, value in diversity.items():
            if value >= LOW_DIVERSITY or step < self.young_steps:
                self._low.pop(name, None)
                continue
            low = self._low.setdefault(name, _Low(step, value))
            if value > max(low.value, RISE_FROM) * RISE and not low.told:
                low = self._low[name] = _Low(step, value)
            low.checks += 1
            lasts = low.checks >= PATIENCE_CHECKS and step - low.since >= self.patience_steps
            if lasts and not low.told:
                low.told = True
                fallen.append(name)
        return fallen

    @property
    def suspicious(self) -> bool:
        """Whether the last check found a label low."""
        return bool(self._low)

    def describe(self, fallen: list[str], diversity: Mapping[str, float], lead: float) -> str:
        """Returns what a person should know of labels that `check` returned, and can do."""
        names = ", ".join(repr(name) for name in fallen[:MAX_NAMES])
        if len(fallen) > MAX_NAMES:
            names += f" and {len(fallen) - MAX_NAMES} more"
        of = f" of label{'s' if len(fallen) > 1 else ''} {names}" if fallen != [""] else ""
        worst = min(diversity[name] for name in fallen)
        since = min(self._low[name].since for name in fallen)
        if lead > HIGH_LEAD:
            advice = (
                f"The discriminator tells {(1 + lead) / 2:.1%} of the pairs apart: raise penalty_gamma or "
                "augment_max_p, or lower the learning rate."
            )
        else:
            advice = "Lower the learning rate, raise penalty_gamma, or try another loss."
        return (
            f"the samples{of} are nearly the same picture (diversity {worst:.2f} of the photographs') "
            f"since step {since}. {advice}"
        )

    def state(self) -> dict[str, Any]:
        """Returns what `restore` needs."""
        return {name: dataclasses.asdict(low) for name, low in self._low.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from what `state` returned."""
        self._low = {name: _Low(**low) for name, low in state.items()}


@dataclass
class _Low:
    """A label's low: when it began and at what diversity, in how many checks it was seen, if it was told."""

    since: int
    value: float
    checks: int = 0
    told: bool = False


def _nearest(images: Tensor) -> float:
    """Returns the median distance (root mean square) of an image to the nearest other one, at 16x16."""
    small = F.adaptive_avg_pool2d(images.float(), SIDE_PX).flatten(1)
    distance = torch.cdist(small, small).fill_diagonal_(torch.inf) / small.shape[1] ** 0.5
    return distance.amin(1).median().item()

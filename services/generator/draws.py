"""What a request wants drawn: its images as rows of a graph's inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.generator import noise
from services.generator.engine import Labels

LabelChoice = int | tuple[float, ...] | None
"""Label index; or the weight of each label; or None: the one that the image's seed draws."""


@dataclass(frozen=True)
class Rows:
    """Some images. The latent vectors of all seeds in a batch are made at once, which is much faster."""

    seeds: Sequence[int]
    """Seeds whose latent vectors are needed."""
    latents: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    """From these seeds' latent vectors to the graph's input z, float32 [N, z_dim]."""
    labels: Labels
    """Label indices, int64 [N], or weights, float32 [N, labels]."""


class Draws(Protocol):
    """The images that a request wants."""

    def rows(self, start: int, stop: int) -> Rows:
        """Returns images number `start` to `stop`, without the last."""
        ...


@dataclass(frozen=True)
class SeededDraws:
    """Images of seeds, one each."""

    seeds: Sequence[int]
    """Seed of each image."""
    label: LabelChoice
    """Label of the images."""
    n_labels: int
    """Labels of the model."""
    truncation: float
    """Factor on the latent vector."""

    def rows(self, start: int, stop: int) -> Rows:
        """Returns images number `start` to `stop`, without the last."""
        seeds = self.seeds[start:stop]
        labels = _labels(self.label, seeds, self.n_labels)
        return Rows(seeds, lambda of_seeds: noise.truncated(of_seeds, self.truncation), labels)


@dataclass(frozen=True)
class WalkDraws:
    """Images on the way from one seed's to another's."""

    ends: tuple[int, int]
    """Seeds of positions 0 and 1."""
    positions: NDArray[np.float64]
    """Of each image, 0..1."""
    label: LabelChoice
    """Label of the images; None: the one that the first seed draws."""
    n_labels: int
    """Labels of the model."""
    truncation: float
    """Factor on the latent vector."""

    def rows(self, start: int, stop: int) -> Rows:
        """Returns images number `start` to `stop`, without the last."""

        def latents(of_ends: NDArray[np.float32]) -> NDArray[np.float32]:
            between = noise.between(of_ends[0], of_ends[1], self.positions[start:stop])
            return noise.truncated(between, self.truncation)

        labels = _labels(self.label, [self.ends[0]] * (stop - start), self.n_labels)
        return Rows(self.ends, latents, labels)


@dataclass(frozen=True)
class GivenDraws:
    """Images of given latent vectors."""

    z: NDArray[np.float32]
    """float32 [N, z_dim]."""
    labels: Labels
    """int64 [N] or float32 [N, labels]."""

    def rows(self, start: int, stop: int) -> Rows:
        """Returns images number `start` to `stop`, without the last."""
        return Rows((), lambda _: self.z[start:stop], self.labels[start:stop])


def _labels(label: LabelChoice, seeds: Sequence[int], n_labels: int) -> Labels:
    if label is None:
        return np.array([noise.drawn_label_index(seed, n_labels) for seed in seeds], np.int64)
    if isinstance(label, int):
        return np.full(len(seeds), label, np.int64)
    return np.tile(np.array(label, np.float32), (len(seeds), 1))

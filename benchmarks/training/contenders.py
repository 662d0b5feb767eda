"""What is compared: each contender does one step of a batch at a time."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from benchmarks.training.example import Example
from trainer.config import Config
from trainer.data.dataset import Dataset
from trainer.data.sampler import Sampler
from trainer.loop import Trainer

Batches = Iterator[tuple[Tensor, Tensor]]


class Contender(ABC):
    """Something that trains.

    Attributes:
        name: what it is.
        batch_size: images a step.
        data_s: seconds spent waiting for batches so far.
    """

    name: str
    batch_size: int
    data_s: float = 0.0

    @abstractmethod
    def step(self) -> None:
        """Does one step."""


class Ours(Contender):
    """The steps of the trainer's loop, with its own sampler or with other batches."""

    def __init__(
        self, name: str, config: Config, data: Dataset, run: Path, others: Batches | None = None
    ) -> None:
        self.name, self.batch_size = name, config.batch_size
        self.trainer = Trainer(config, data, run)
        self.trainer.sampler = cast("Sampler", _Timed(self, self.trainer.sampler, others))

    def step(self) -> None:
        """Does one step, the average of the weights included."""
        self.trainer.train_step()


class _Timed:
    """Stands in for a sampler and counts the time that batches take."""

    def __init__(self, owner: Ours, sampler: Sampler, others: Batches | None) -> None:
        self._owner, self._sampler, self._others = owner, sampler, others
        self._target = owner.trainer.device

    def next(self) -> tuple[Tensor, Tensor]:
        """Returns the next batch as the trainer expects it."""
        start_s = time.perf_counter()
        if self._others is None:
            images, labels = self._sampler.next()
        else:
            images, labels = next(self._others)
            images = images.to(self._target, memory_format=torch.channels_last)
            labels = labels.to(self._target)
        self._owner.data_s += time.perf_counter() - start_s
        return images, labels


class Theirs(Contender):
    """The step of PyTorch's example, on batches that are in memory already or are read by workers."""

    def __init__(self, name: str, example: Example, batches: Batches, batch_size: int) -> None:
        self.name, self.batch_size = name, batch_size
        self._example, self._batches = example, batches

    def step(self) -> None:
        """Does one step."""
        start_s = time.perf_counter()
        images, _ = next(self._batches)
        self.data_s += time.perf_counter() - start_s
        self._example.step(images)


class Reading(Contender):
    """Batches alone, without training."""

    def __init__(self, name: str, batches: Batches, batch_size: int) -> None:
        self.name, self.batch_size = name, batch_size
        self._batches = batches

    def step(self) -> None:
        """Reads one batch."""
        next(self._batches)


def in_memory(data: Dataset, batch_size: int, device: torch.device) -> Batches:
    """Yields ready batches of a few photos, NCHW, over and over: no time goes into them."""
    images = torch.from_numpy(data.images[: 4 * batch_size].copy()).float().div_(127.5).sub_(1).to(device)
    labels = torch.from_numpy(data.labels[: 4 * batch_size].copy()).to(device)
    while True:
        for start in range(0, len(images) - batch_size + 1, batch_size):
            chosen = slice(start, start + batch_size)
            yield images[chosen], labels[chosen]


def sampled(data: Dataset, batch_size: int, device: torch.device) -> Batches:
    """Yields the batches of the trainer's sampler."""
    sampler = Sampler(data, batch_size, balance=0.0, flip=True, seed=0, device=device)
    while True:
        yield sampler.next()

"""Means of what the steps compute, and where the time goes, without waiting for the device at each step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from trainer.distributed import Group
from trainer.update import StepResult


class Meter:
    """Sums up on the device; `read` fetches the means since the last reading at once."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, result: StepResult) -> None:
        """Takes the scalars of one step."""
        for name, value in {"d_loss": result.d_loss, "g_loss": result.g_loss, **result.terms}.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def read(self) -> dict[str, float]:
        """Returns the mean of each scalar over the steps that had it and over all ranks, and starts anew."""
        if not self._sums:
            return {}
        means = torch.stack([self._sums[name].float() / n for name, n in self._counts.items()])
        values = self._group.mean(means).tolist()
        names, self._sums, self._counts = list(self._counts), {}, {}
        return dict(zip(names, values, strict=True))


class Stopwatch:
    """Counts the time of training and divides it into data, update and everything else.

    On a GPU the parts are the host's: the device works on while the host loads data.
    """

    def __init__(self, elapsed_s: float = 0.0) -> None:
        """Stands still at the seconds that were counted before."""
        self._before_s = elapsed_s
        self._start: float | None = None
        self._session, self._lap = _Parts(), _Parts()

    @property
    def elapsed_s(self) -> float:
        """Seconds counted so far."""
        return self._before_s + (time.perf_counter() - self._start if self._start is not None else 0.0)

    @property
    def shares(self) -> tuple[float, float]:
        """The shares of data and of all beside the steps in the time since `start`."""
        return self._session.shares()

    def start(self) -> None:
        """Goes on counting."""
        self._session, self._lap = _Parts(), _Parts()
        self._start = self._session.start_s

    def stop(self) -> None:
        """Stands still until `start`."""
        self._before_s, self._start = self.elapsed_s, None
        self._session.end_s = time.perf_counter()

    @contextmanager
    def data(self) -> Iterator[None]:
        """Counts what is done inside as the loading of data; it is a part of a step."""
        start = time.perf_counter()
        yield
        for parts in (self._session, self._lap):
            parts.data_s += time.perf_counter() - start

    @contextmanager
    def step(self) -> Iterator[None]:
        """Counts what is done inside as a step."""
        start = time.perf_counter()
        yield
        for parts in (self._session, self._lap):
            parts.step_s += time.perf_counter() - start

    def lap(self) -> tuple[float, float, float]:
        """Returns the seconds since the last lap, and their shares of data and of all beside the steps."""
        lap, self._lap = self._lap, _Parts()
        return max(self._lap.start_s - lap.start_s, 1e-9), *lap.shares()


@dataclass
class _Parts:
    start_s: float = field(default_factory=time.perf_counter)
    end_s: float | None = None
    data_s: float = 0.0
    step_s: float = 0.0

    def shares(self) -> tuple[float, float]:
        end_s = time.perf_counter() if self.end_s is None else self.end_s
        seconds = max(end_s - self.start_s, 1e-9)
        return self.data_s / seconds, max(1 - self.step_s / seconds, 0.0)

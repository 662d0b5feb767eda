"""What is measured of batches and requests, for who wants to hear it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Outcome = Literal["done", "failed", "cancelled", "timed_out", "closed"]
"""How a request ended: all results were taken; its function raised; its caller left; it waited too long; its
lane was closed."""


@dataclass(frozen=True)
class BatchTimes:
    """One run of a lane's function."""

    items: int
    """Items in it."""
    requests: int
    """Requests with items in it."""
    compute_s: float
    """How long it took."""
    failed: bool
    """Whether the function raised."""


@dataclass(frozen=True)
class RequestTimes:
    """One request, when it ended."""

    items: int
    """Items asked for."""
    computed: int
    """Items computed."""
    queue_s: float
    """From its arrival to the start of its first batch; without one, to its end."""
    compute_s: float
    """Sum over the batches with its items."""
    total_s: float
    """From its arrival until its last result was taken, or to its end."""
    outcome: Outcome
    """How it ended."""


class Observer(Protocol):
    """Hears of every batch and every request; called in the event loop, so it has to be quick."""

    def batch_ended(self, lane: str, times: BatchTimes) -> None:
        """Called after each batch."""
        ...

    def request_ended(self, lane: str, times: RequestTimes) -> None:
        """Called after each request, not for those that found the queue full or the lane closed."""
        ...

    def request_refused(self, lane: str) -> None:
        """Called for each request that found the queue full."""
        ...

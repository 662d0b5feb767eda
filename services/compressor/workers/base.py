"""What all workers promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from services.common.access import current_caller
from services.common.turns import Turns

AHEAD = 1
"""Jobs that lie ready for each worker, which then need not wait for the event loop between two."""


@dataclass(frozen=True)
class Limits:
    """What one request may take."""

    max_pixels: int
    """Most pixels of an image."""
    max_seconds: float = 0.0
    """Longest work on one job; 0 means as long as the caller waits."""
    memory_bytes: int = 0
    """Memory of a process for the work on a job, above what it has at first; 0 means no limit."""


class Workers(ABC):
    """A bounded pool; each worker does one job at a time, on one core."""

    def __init__(
        self, count: int, limits: Limits, *, queue_size: int = 256, queue_timeout_s: float = 30.0
    ) -> None:
        """Takes the number of workers, at least 1, and how many jobs may wait for how long.

        `start` before use.
        """
        self.count = count
        self.limits = limits
        self.turns = Turns("ganpress_compressor", (1 + AHEAD) * count, queue_size, queue_timeout_s)
        self.deaths = 0
        """Processes that ended while they worked."""

    @property
    @abstractmethod
    def busy(self) -> int:
        """Workers that work."""

    @abstractmethod
    async def start(self, *, prepare: bool) -> None:
        """Starts the workers; `prepare` loads and compiles every codec first."""

    @abstractmethod
    def stop(self) -> None:
        """Ends the workers; no job may be under way."""

    async def run(self, job: str, request: Any, *, refusable: bool = True) -> Any:
        """Returns the answer to a request, once it is its caller's turn. See `jobs.JOBS`.

        Cancelling it stops the work: a process at once, a thread at the next step.

        Args:
            job: Name of the job.
            request: Its message.
            refusable: As `Turns.turn` takes it.

        Raises:
            Exception: What the job raises.
            BusyError: Too much waits, or the wait grew too long.
            OverloadedImageError: It takes too long, or too much memory.
            WorkerDiedError: The process that worked on it ended.
        """
        caller = current_caller.get()
        async with self.turns.turn(caller.name if caller else None, refusable=refusable):
            return await self.work(job, request)

    @abstractmethod
    async def work(self, job: str, request: Any) -> Any:
        """Does a job at once; raises as `run`."""

"""Lanes of the scheduler with functions that a test can watch and hold up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from services.generator.scheduling import (
    Job,
    Lane,
    LaneOptions,
    Piece,
    Scheduler,
)

Numbers = Sequence[int]


def tripled(pieces: Sequence[Piece[Numbers]], alone: bool = False) -> list[list[int]]:
    """The function of these tests; a negative item fails its batch."""
    items = items_of(pieces)
    if min(items) < 0:
        raise ValueError("negative")
    return [[item * 3 for item in piece.work[piece.start : piece.stop]] for piece in pieces]


def items_of(pieces: Sequence[Piece[Numbers]]) -> list[int]:
    """The items of a batch."""
    return [item for piece in pieces for item in piece.work[piece.start : piece.stop]]


class Gate:
    """A function whose batches run when the test says so."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.alone: list[bool] = []
        self._permits = threading.Semaphore(0)

    def __call__(self, pieces: Sequence[Piece[Numbers]], alone: bool) -> list[list[int]]:
        """Waits, then gives the results."""
        self.alone.append(alone)
        self.batches.append(items_of(pieces))
        assert self._permits.acquire(timeout=60)
        return tripled(pieces)

    def open(self, batches: int = 1) -> None:
        """Lets some batches end."""
        self._permits.release(batches)

    async def reached(self, count: int) -> list[list[int]]:
        """Waits until so many batches were begun; returns them."""
        await until(lambda: len(self.batches) >= count)
        return self.batches


async def until(condition: Callable[[], bool]) -> None:
    """Waits until something is so."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 # what a thread does cannot set an asyncio.Event
            await asyncio.sleep(0.001)


@asynccontextmanager
async def lane_of(function, threads: int = 1, observer=None, **options) -> AsyncGenerator[Lane]:
    """A lane with threads of its own."""
    scheduler = Scheduler(threads)
    lane = scheduler.open("lane", function, LaneOptions(max_running=threads, **options), observer)
    try:
        yield lane
    finally:
        await scheduler.shut(lane)
        scheduler.close()


async def collect(job: Job, limit: int | None = None) -> list[int]:
    """Takes results until there are `limit` items, then leaves."""
    taken: list[int] = []
    with job:
        async for result in job:
            taken += result
            if limit and len(taken) >= limit:
                break
    return taken


def start(lane: Lane, items: Numbers, **options) -> asyncio.Task[list[int]]:
    """Submits a request and takes its results in a task."""

    async def request() -> list[int]:
        return await collect(lane.submit(items, len(items), **options))

    return asyncio.create_task(request())

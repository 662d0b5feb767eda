"""What an observer of a lane is told."""

from __future__ import annotations

import asyncio

import pytest

from services.generator.scheduling import (
    BatchTimes,
    QueueFullError,
    RequestTimes,
)
from tests.helpers.lanes import Gate, collect, lane_of, start, tripled, until


class Notes:
    """An observer that writes down."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, BatchTimes]] = []
        self.requests: list[tuple[str, RequestTimes]] = []
        self.refused: list[str] = []

    def batch_ended(self, lane: str, times: BatchTimes) -> None:
        """Writes down a batch."""
        self.batches.append((lane, times))

    def request_ended(self, lane: str, times: RequestTimes) -> None:
        """Writes down a request."""
        self.requests.append((lane, times))

    def request_refused(self, lane: str) -> None:
        """Writes down a request that found the queue full."""
        self.refused.append(lane)


async def test_observer():
    """Every batch and every request is told once, with its items, times and outcome."""
    notes = Notes()
    async with lane_of(tripled, max_batch_size=4, observer=notes) as lane:
        await start(lane, range(10))
        with pytest.raises(ValueError, match="negative"):
            await start(lane, [-1])
        await collect(lane.submit(range(1000), 1000), limit=4)
        with lane.submit([1], 1):
            pass
    assert {name for name, _ in (*notes.batches, *notes.requests)} == {"lane"}
    requests = [times for _, times in notes.requests]
    assert [(t.items, t.outcome) for t in requests] == [
        (10, "done"), (1, "failed"), (1000, "cancelled"), (1, "cancelled"),
    ]  # fmt: skip
    assert [t.computed for t in requests[:2]] == [10, 0]
    assert all(t.queue_s >= 0 and t.compute_s >= 0 and t.total_s >= t.queue_s for t in requests)
    assert requests[0].compute_s > 0
    batches = [times for _, times in notes.batches]
    failed = [t.failed for t in batches].index(True)
    assert sum(t.items for t in batches[:failed]) == 10
    assert all(t.requests == 1 and t.compute_s >= 0 for t in batches)


async def test_observer_of_a_full_queue():
    """A request that finds the queue full is told, and only requests of which nothing runs are pending."""
    notes, gate = Notes(), Gate()
    async with lane_of(gate, max_batch_size=1, capacity=2, observer=notes) as lane:
        running = start(lane, [1])
        await gate.reached(1)
        waiting = asyncio.create_task(collect(lane.submit([2], 1, caller="other")))
        await until(lambda: lane.waiting == 1)
        assert lane.pending == 1
        with pytest.raises(QueueFullError):
            await start(lane, [3])
        gate.open(2)
        assert [await running, await waiting] == [[3], [6]]
        assert lane.pending == 0
    assert notes.refused == ["lane"]
    assert [times.outcome for _, times in notes.requests] == ["done", "done"]

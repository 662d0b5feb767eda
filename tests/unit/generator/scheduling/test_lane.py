"""What a lane refuses: what it has no room for, and what would come too late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from services.generator.scheduling import (
    Piece,
    QueueFullError,
    QueueTimeoutError,
)
from tests.helpers.lanes import Gate, Numbers, collect, items_of, lane_of, start, tripled, until


async def test_a_full_queue_refuses():
    """A request that does not fit is refused with numbers and advice, and fits when others have ended."""
    gate = Gate()
    async with lane_of(gate, max_batch_size=4, capacity=6) as lane:
        first = start(lane, [1, 2, 3, 4])
        await gate.reached(1)
        with pytest.raises(
            QueueFullError, match="4 of 6 items are under way, 0 by this caller, and the request needs 3; try"
        ) as caught:
            lane.submit([5, 6, 7], 3, caller="other")
        assert caught.value.retry_after_s > 0
        second = asyncio.create_task(collect(lane.submit([5, 6], 2, caller="other")))
        gate.open(2)
        assert (await first, await second) == ([3, 6, 9, 12], [15, 18])
        third = start(lane, [5, 6, 7])
        gate.open()
        assert await third == [15, 18, 21]


async def test_a_full_queue_has_room_for_others():
    """However much one caller asks for, others still find room; it gets what it asked for before."""
    gate = Gate()
    async with lane_of(gate, max_batch_size=1, capacity=16) as lane:
        jobs, refused = [], 0
        for _ in range(10_000):
            try:
                jobs.append(lane.submit([1], 1, caller="greedy"))
            except QueueFullError:
                refused += 1
        assert (len(jobs), refused) == (8, 9992)
        jobs += [lane.submit([2], 1, caller=other) for other in range(2)]
        gate.open(10)
        assert [await collect(job) for job in jobs] == [[3]] * 8 + [[6]] * 2


async def test_what_would_be_late_is_refused():
    """A request that could not be done before its caller leaves is refused at once, others are taken."""

    def slow(pieces: Sequence[Piece[Numbers]], alone: bool) -> list[list[int]]:
        time.sleep(0.02 * len(items_of(pieces)))
        return tripled(pieces, alone)

    async with lane_of(slow, max_batch_size=1) as lane:
        await start(lane, range(20))  # the lane learns what an item takes
        waiting = start(lane, range(100), caller="a", whole=True)
        await until(lambda: lane.waiting > 50)
        with pytest.raises(QueueFullError, match=r"and its deadline is in 0\.5 s") as caught:
            lane.submit([1], 1, caller="a", remaining_s=0.5)
        assert caught.value.retry_after_s > 0
        assert await collect(lane.submit([1], 1, caller="b", remaining_s=5)) == [3]
        waiting.cancel()


async def test_an_idle_lane_takes_any_request():
    """A request larger than the capacity runs when it is alone."""
    async with lane_of(tripled, max_batch_size=4, capacity=1) as lane:
        assert await start(lane, range(50)) == [i * 3 for i in range(50)]


async def test_untaken_results_hold_their_room():
    """A caller that takes no more results keeps its room, so memory stays bounded; leaving frees it."""
    async with lane_of(tripled, max_batch_size=2, capacity=4) as lane:
        with lane.submit(range(100), 100) as stalled:
            assert await anext(stalled) == [0, 3]
            with pytest.raises(QueueFullError):
                lane.submit([1], 1)
        assert await start(lane, [1]) == [3]


async def test_queue_timeout():
    """A request that waits too long for its first batch fails; one that was begun in time does not."""
    gate = Gate()
    async with lane_of(gate) as lane:
        running = start(lane, [1], timeout_s=2)  # in which a thread begins, however busy the machine is
        await gate.reached(1)
        with pytest.raises(QueueTimeoutError, match=r"waited for 2 s"):
            await start(lane, [2], timeout_s=2)  # so long that the first one's time is up as well
        gate.open()
        assert await running == [3]
        assert lane.held == 0
    assert gate.batches == [[1]]

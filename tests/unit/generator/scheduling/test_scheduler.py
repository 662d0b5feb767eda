"""The scheduler: every item gets its own result, threads share what waits, and callers take turns."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generator.scheduling import (
    ClosedError,
    LaneOptions,
    Scheduler,
)
from tests.helpers.lanes import Gate, collect, items_of, lane_of, start, tripled, until

REQUESTS = st.lists(
    st.fixed_dictionaries(
        {
            "count": st.integers(1, 40),
            "caller": st.sampled_from("ab"),
            "priority": st.integers(0, 1),
            "whole": st.booleans(),
            "start_after": st.integers(0, 6),
            "limit": st.none() | st.integers(1, 10),
            "cancel_after": st.none() | st.integers(0, 6),
        }
    ),
    min_size=1,
    max_size=6,
)


@given(
    requests=REQUESTS,
    threads=st.integers(1, 3),
    max_batch_size=st.integers(1, 8),
    max_queue_delay_s=st.sampled_from([0, 0.001]),
)
def test_every_item_gets_its_own_result(requests, threads, max_batch_size, max_queue_delay_s):
    """In any pattern of arrivals, early leavers, cancellations a request gets its own results, in order."""
    sizes: list[int] = []

    def function(pieces, alone):
        sizes.append(len(items_of(pieces)))
        return tripled(pieces)

    async def request(lane, number, spec):
        for _ in range(spec["start_after"]):
            await asyncio.sleep(0)
        items = range(number * 1000, number * 1000 + spec["count"])
        options = {name: spec[name] for name in ("caller", "priority", "whole")}
        results = await collect(lane.submit(items, len(items), **options), spec["limit"])
        assert len(results) >= min(spec["limit"] or spec["count"], spec["count"])
        assert results == [item * 3 for item in items][: len(results)]

    async def cancel(task, after):
        for _ in range(after):
            await asyncio.sleep(0)
        task.cancel()

    async def main():
        options = {"max_batch_size": max_batch_size, "max_queue_delay_s": max_queue_delay_s}
        async with lane_of(function, threads, **options) as lane:
            tasks = [asyncio.create_task(request(lane, i, spec)) for i, spec in enumerate(requests)]
            cancels = [
                cancel(task, spec["cancel_after"])
                for task, spec in zip(tasks, requests, strict=True)
                if spec["cancel_after"] is not None
            ]
            await asyncio.gather(*cancels)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            for spec, outcome in zip(requests, outcomes, strict=True):
                assert outcome is None or (
                    isinstance(outcome, asyncio.CancelledError) and spec["cancel_after"] is not None
                )
            assert (lane.held, lane.waiting) == (0, 0)

    asyncio.run(main())
    assert all(1 <= size <= max_batch_size for size in sizes)


async def test_an_idle_lane_computes_at_once():
    """A lone item does not wait for company, and is told that it has the threads for itself."""
    gate = Gate()
    async with lane_of(gate, 2, max_queue_delay_s=100) as lane:
        task = start(lane, [5])
        assert await gate.reached(1) == [[5]]
        gate.open()
        assert await task == [15]
    assert gate.alone == [True]


async def test_a_loaded_lane_fills_its_batches():
    """What arrives while the thread computes shares the next batch, up to the largest size."""
    gate = Gate()
    async with lane_of(gate, max_batch_size=4) as lane:
        tasks = [start(lane, [0])]
        await gate.reached(1)
        tasks += [start(lane, [i]) for i in range(1, 7)]
        await until(lambda: lane.waiting == 6)
        gate.open(3)
        assert await asyncio.gather(*tasks) == [[i * 3] for i in range(7)]
    assert gate.batches == [[0], [1, 2, 3, 4], [5, 6]]
    assert gate.alone == [True, False, False]


async def test_a_request_is_split_over_the_threads():
    """One request keeps every thread busy, in equal shares."""
    for size, shares in ((9, [3, 3, 3]), (24, [8, 8, 8]), (36, [6, 6, 6])):
        gate = Gate()
        async with lane_of(gate, 3, max_batch_size=8) as lane:
            task = start(lane, range(size))
            assert [len(batch) for batch in await gate.reached(3)] == pytest.approx(shares, abs=1)
            gate.open(10)
            assert await task == [i * 3 for i in range(size)]


async def test_requests_take_turns():
    """A small request shares the very next batch with a large one that came first."""
    gate = Gate()
    async with lane_of(gate, max_batch_size=4) as lane:
        large = start(lane, range(100))
        await gate.reached(1)
        small = start(lane, [1000, 1001])
        await until(lambda: lane.waiting == 6)
        gate.open(2)
        assert await small == [3000, 3003]
        assert gate.batches[1] == [4, 5, 1000, 1001]
        large.cancel()
        gate.open(100)


async def test_priorities():
    """A request of a higher rank overtakes all that wait."""
    gate = Gate()
    async with lane_of(gate, max_batch_size=2) as lane:
        tasks = [start(lane, [0])]
        await gate.reached(1)
        tasks += [start(lane, [i], priority=rank) for i, rank in ((1, 2), (2, 2), (3, 1), (4, 3))]
        await until(lambda: lane.waiting == 4)
        gate.open(10)
        await asyncio.gather(*tasks)
    assert gate.batches == [[0], [3, 1], [2, 4]]


async def test_lanes_take_turns():
    """Two lanes that always have work get their turns from the same thread."""
    order: list[str] = []
    scheduler = Scheduler(1)

    def function(name):
        def run(pieces, alone):
            order.append(name)
            return tripled(pieces)

        return run

    lanes = [scheduler.open(name, function(name), LaneOptions(max_batch_size=1)) for name in "ab"]
    await asyncio.gather(*(collect(lane.submit(range(50), 50)) for lane in lanes))
    for lane in lanes:
        await scheduler.shut(lane)
    scheduler.close()
    assert order.count("a") == order.count("b") == 50
    assert "aaaa" not in "".join(order[4:-4])


async def test_the_event_loop_stays_free():
    """While a batch computes, the event loop runs: here it is the loop that lets the batch end."""
    gate = Gate()
    async with lane_of(gate) as lane:
        task = start(lane, [1])
        await gate.reached(1)
        gate.open()
        assert await task == [3]


async def test_close():
    """Closing fails what waits, gives the running batch its results and refuses what comes later."""
    gate = Gate()
    scheduler = Scheduler(1)
    lane = scheduler.open("lane", gate, LaneOptions(max_batch_size=1))
    running = start(lane, [1])
    await gate.reached(1)
    waiting = start(lane, [2])
    closing = asyncio.create_task(scheduler.shut(lane))
    with pytest.raises(ClosedError, match="the server is stopping"):
        await waiting
    with pytest.raises(ClosedError):
        lane.submit([3], 1)
    assert not closing.done()
    gate.open()
    assert await running == [3]
    await closing
    scheduler.close()
    assert gate.batches == [[1]]

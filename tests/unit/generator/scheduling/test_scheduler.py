"""The scheduler: every item gets its own result, whatever comes, goes, fails or waits."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generator.scheduling import (
    BatchTimes,
    ClosedError,
    Job,
    Lane,
    LaneOptions,
    Piece,
    QueueFullError,
    QueueTimeoutError,
    RequestTimes,
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


async def test_who_left_is_not_computed():
    """Items of a caller that left before its turn are dropped."""
    gate = Gate()
    async with lane_of(gate, max_batch_size=4) as lane:
        first = start(lane, [0])
        await gate.reached(1)
        leaver, stayer = start(lane, [7, 7]), start(lane, [8, 8])
        await until(lambda: lane.waiting == 4)
        leaver.cancel()
        await until(lambda: lane.waiting == 2)
        gate.open(2)
        assert (await first, await stayer) == ([0], [24, 24])
        assert lane.held == 0
    assert gate.batches == [[0], [8, 8]]


async def test_a_failing_batch_fails_its_own_requests():
    """Requests in a failing batch get its exception, all others their results, and the thread goes on."""
    gate = Gate()
    async with lane_of(gate, max_batch_size=2) as lane:
        tasks = [start(lane, [0])]
        await gate.reached(1)
        tasks += [start(lane, [i]) for i in (-1, 1, 2, 3)]
        await until(lambda: lane.waiting == 4)
        gate.open(3)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["[0]", "negative", "negative", "[6]", "[9]"]
        assert lane.held == 0


async def test_a_failing_batch_ends_its_large_request():
    """A large request that fails in the middle gives the exception, and nothing of it is left."""
    async with lane_of(tripled, max_batch_size=4) as lane:
        items = [1] * 20 + [-1] * 10_000
        job = lane.submit(items, len(items))
        with pytest.raises(ValueError, match="negative"):
            await collect(job)
        assert (lane.held, lane.waiting) == (0, 0)


async def test_wrong_number_of_results():
    """A function that returns too few results never hands one to the wrong caller."""
    async with lane_of(lambda *_: []) as lane:
        with pytest.raises(ValueError, match="0 results for 1 pieces"):
            await start(lane, [1, 2, 3])


async def test_a_large_request_is_fed_in_pieces():
    """Of a large request only two batches a thread are computed ahead of its caller."""
    computed: list[int] = []

    def function(pieces, alone):
        computed.extend(items_of(pieces))
        return tripled(pieces)

    async with lane_of(function, 2, max_batch_size=4) as lane:
        job = lane.submit(range(10_000), 10_000)
        with job:
            taken: list[int] = []
            while len(taken) < 50:
                taken += await anext(job)
            await until(lambda: len(computed) == len(taken) + 16)
            await asyncio.sleep(0.05)
            assert len(computed) == len(taken) + 16
        assert lane.held == 0


async def test_a_whole_request_is_computed_at_once():
    """A request that wants all its items together gets them computed without taking any."""
    async with lane_of(tripled, max_batch_size=2) as lane:
        job = lane.submit(range(50), 50, whole=True)
        await until(lambda: lane.waiting == 0 and lane.running == 0)
        assert await collect(job) == [i * 3 for i in range(50)]


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
        running = start(lane, [1], timeout_s=0.01)
        await gate.reached(1)
        with pytest.raises(QueueTimeoutError, match=r"waited for 0\.01 s"):
            await start(lane, [2], timeout_s=0.01)
        gate.open()
        assert await running == [3]
        assert lane.held == 0
    assert gate.batches == [[1]]


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

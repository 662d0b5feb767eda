"""The batcher: every item gets its own result, whatever comes, goes, fails or waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import aclosing
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generator.batcher import Batcher, BatcherClosedError, QueueFullError


class ManualExecutor(Executor):
    """Runs nothing until the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Future, list]] = []

    def submit(self, function, items):  # noqa: D102
        future = Future()
        self.jobs.append((future, items, function))
        return future

    @property
    def batches(self) -> list[list]:
        """Items of the batches that wait for `finish`."""
        return [items for _, items, _ in self.jobs]

    def finish(self) -> None:
        """Runs the oldest batch."""
        future, items, function = self.jobs.pop(0)
        try:
            future.set_result(function(items))
        except ValueError as error:
            future.set_exception(error)


async def settle() -> None:
    """Lets everything that is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


def tripled(items: Sequence[int]) -> list[int]:
    """The batch function of these tests; a negative item fails its batch."""
    if min(items) < 0:
        raise ValueError("negative")
    return [item * 3 for item in items]


async def collect(results: AsyncGenerator[int], limit: int | None = None) -> list[int]:
    """Takes the first `limit` results, then leaves."""
    taken = []
    async with aclosing(results):
        async for result in results:
            taken.append(result)
            if len(taken) == limit:
                break
    return taken


REQUESTS = st.lists(
    st.fixed_dictionaries(
        {
            "count": st.integers(0, 40),
            "start_after": st.integers(0, 6),
            "limit": st.none() | st.integers(1, 10),
            "cancel_after": st.none() | st.integers(0, 6),
        }
    ),
    min_size=1,
    max_size=6,
)


@given(requests=REQUESTS, workers=st.integers(1, 3), max_batch_size=st.integers(1, 8))
def test_every_item_gets_its_own_result(requests, workers, max_batch_size):
    """In any pattern of arrivals, early leavers, cancellations a request gets its own results, in order."""
    sizes = []

    def function(items):
        sizes.append(len(items))
        return tripled(items)

    async def request(batcher, number, spec):
        for _ in range(spec["start_after"]):
            await asyncio.sleep(0)
        items = range(number * 1000, number * 1000 + spec["count"])
        results = await collect(batcher.map(items), spec["limit"])
        assert results == [item * 3 for item in items][: spec["limit"]]

    async def cancel(task, after):
        for _ in range(after):
            await asyncio.sleep(0)
        task.cancel()

    async def main():
        with ThreadPoolExecutor(workers) as executor:
            batcher = Batcher(function, executor, workers=workers, max_batch_size=max_batch_size)
            tasks = [asyncio.create_task(request(batcher, i, spec)) for i, spec in enumerate(requests)]
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
            await batcher.close()
            assert batcher.held == 0

    asyncio.run(main())
    assert all(1 <= size <= max_batch_size for size in sizes)


async def test_idle_batcher_runs_at_once():
    """A lone item is computed without waiting for company."""
    executor = ManualExecutor()
    batcher = Batcher(tripled, executor, max_batch_size=8)
    task = asyncio.create_task(collect(batcher.map([5])))
    await settle()
    assert executor.batches == [[5]]
    executor.finish()
    assert await task == [15]


async def test_loaded_batcher_fills_its_batches():
    """What arrives while the worker is busy shares the next batch, up to the largest size."""
    executor = ManualExecutor()
    batcher = Batcher(tripled, executor, max_batch_size=4)
    tasks = [asyncio.create_task(collect(batcher.map([0])))]
    await settle()
    tasks += [asyncio.create_task(collect(batcher.map([i]))) for i in range(1, 7)]
    await settle()
    assert executor.batches == [[0]]
    executor.finish()
    await settle()
    assert executor.batches == [[1, 2, 3, 4]]
    executor.finish()
    await settle()
    assert executor.batches == [[5, 6]]
    executor.finish()
    assert await asyncio.gather(*tasks) == [[i * 3] for i in range(7)]


async def test_request_is_split_over_idle_workers():
    """One request keeps every worker busy, in equal shares."""
    executor = ManualExecutor()
    batcher = Batcher(tripled, executor, workers=3, max_batch_size=8)
    task = asyncio.create_task(collect(batcher.map(range(9))))
    await settle()
    assert executor.batches == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    for _ in range(3):
        executor.finish()
    assert await task == [i * 3 for i in range(9)]


async def test_requests_take_turns():
    """A small request shares the very next batch with a large one that came first."""
    executor = ManualExecutor()
    batcher = Batcher(tripled, executor, max_batch_size=4)
    large = asyncio.create_task(collect(batcher.map(range(100)), limit=8))
    await settle()
    small = asyncio.create_task(collect(batcher.map([1000, 1001])))
    await settle()
    executor.finish()
    await settle()
    assert executor.batches == [[4, 1000, 5, 1001]]
    executor.finish()
    assert await small == [3000, 3003]
    large.cancel()


async def test_left_callers_are_not_computed():
    """Items of a caller that left before its turn are dropped."""
    executor = ManualExecutor()
    batcher = Batcher(tripled, executor, max_batch_size=4)
    first, second, third = (asyncio.create_task(collect(batcher.map([i]))) for i in range(3))
    await settle()
    assert executor.batches == [[0, 1, 2]]
    late = [asyncio.create_task(collect(batcher.map([i, i]))) for i in (7, 8)]
    await settle()
    late[0].cancel()
    second.cancel()
    await settle()
    executor.finish()
    await settle()
    assert executor.batches == [[8, 8]]
    executor.finish()
    assert (await first, await third, await late[1]) == ([0], [6], [24, 24])
    assert batcher.held == 0


async def test_failing_batch_fails_its_own_items():
    """Callers in a failing batch get its exception, all others their results, and the worker goes on."""
    executor = ManualExecutor()
    batcher = Batcher(tripled, executor, max_batch_size=2)
    tasks = [asyncio.create_task(collect(batcher.map([i]))) for i in (-1, 1, 2, 3)]
    await settle()
    executor.finish()
    await settle()
    executor.finish()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["negative", "negative", "[6]", "[9]"]
    assert batcher.held == 0


async def test_wrong_number_of_results_fails_the_batch():
    """A function that returns too few results never hands one to the wrong caller."""
    with ThreadPoolExecutor(1) as executor:
        batcher = Batcher(lambda items: items[1:], executor)
        with pytest.raises(ValueError, match="zip"):
            await collect(batcher.map([1, 2, 3]))


async def test_large_request_is_fed_in_pieces():
    """Of an endless request only two batches a worker are taken ahead of its caller."""
    taken = count()
    with ThreadPoolExecutor(2) as executor:
        batcher = Batcher(tripled, executor, workers=2, max_batch_size=4)
        assert await collect(batcher.map(taken), limit=50) == [i * 3 for i in range(50)]
        await settle()
    assert next(taken) == 50 + 16


async def test_full_queue_refuses():
    """A request that does not fit is refused with numbers and advice, and fits when others have ended."""
    executor = ManualExecutor()
    batcher = Batcher(tripled, executor, max_batch_size=4, capacity=6)
    first = asyncio.create_task(collect(batcher.map([1, 2, 3, 4])))
    await settle()
    with pytest.raises(
        QueueFullError, match="4 of 6 items are under way and this request needs 3; try again"
    ):
        await collect(batcher.map([5, 6, 7]))
    second = asyncio.create_task(collect(batcher.map([5, 6])))
    await settle()
    executor.finish()
    await settle()
    executor.finish()
    assert (await first, await second) == ([3, 6, 9, 12], [15, 18])
    third = asyncio.create_task(collect(batcher.map([5, 6, 7])))
    await settle()
    executor.finish()
    assert await third == [15, 18, 21]


async def test_idle_batcher_takes_any_request():
    """A request larger than the capacity runs when it is alone."""
    with ThreadPoolExecutor(1) as executor:
        batcher = Batcher(tripled, executor, max_batch_size=4, capacity=1)
        assert await collect(batcher.map(range(50))) == [i * 3 for i in range(50)]


async def test_untaken_results_hold_their_room():
    """A caller that takes no more results keeps its room, so memory stays bounded; leaving frees it."""
    with ThreadPoolExecutor(1) as executor:
        batcher = Batcher(tripled, executor, max_batch_size=2, capacity=4)
        stalled = batcher.map(range(100))
        assert await anext(stalled) == 0
        with pytest.raises(QueueFullError):
            await collect(batcher.map([1]))
        await stalled.aclose()
        assert await collect(batcher.map([1])) == [3]


async def test_event_loop_stays_free():
    """While a batch computes, the event loop runs: here it is the loop that lets the batch end."""
    gate = threading.Event()

    def function(items):
        assert gate.wait(30)
        return items

    with ThreadPoolExecutor(1) as executor:
        task = asyncio.create_task(collect(Batcher(function, executor).map([1])))
        await settle()
        gate.set()
        assert await task == [1]


async def test_close():
    """Closing fails what waits, gives the running batch its results and refuses what comes later."""
    executor = ManualExecutor()
    batcher = Batcher(tripled, executor, max_batch_size=1)
    running, waiting = (asyncio.create_task(collect(batcher.map([i]))) for i in (1, 2))
    await settle()
    closing = asyncio.create_task(batcher.close())
    await settle()
    with pytest.raises(BatcherClosedError, match="the server is stopping"):
        await waiting
    with pytest.raises(BatcherClosedError):
        await collect(batcher.map([3]))
    executor.finish()
    assert await running == [3]
    await closing
    assert list(islice(executor.jobs, 1)) == []

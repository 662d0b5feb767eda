"""Turns: slots are bounded, the queue is, callers share, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.turns import BusyError, Turns


async def settle() -> None:
    """Lets everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


class Worker:
    """Takes turns, notes their order, and works until told to end."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[object] = []
        self.end = asyncio.Event()

    async def work(self, caller: object, **options) -> None:
        """Works once."""
        async with self.turns.turn(caller, **options):
            self.order.append(caller)
            await self.end.wait()


async def test_callers_take_turns():
    """One that sends 10,000 requests does not keep another from being next but one."""
    worker = Worker(Turns("test", 1, 100_000, 60))
    tasks = [asyncio.create_task(worker.work("greedy")) for _ in range(10_000)]
    await settle()
    tasks.append(asyncio.create_task(worker.work("modest")))
    await settle()
    worker.end.set()
    await asyncio.gather(*tasks)
    assert worker.order.index("modest") <= 2
    assert len(worker.order) == 10_001


async def test_a_full_queue_has_room_for_others():
    """A caller may have as many waiting as it leaves free; who comes then still finds room."""
    turns = Turns("test", 1, 8, 60)
    worker = Worker(turns)
    tasks = [asyncio.create_task(worker.work("greedy")) for _ in range(100)]
    await settle()
    assert turns.waiting == 4
    tasks.append(asyncio.create_task(worker.work("modest")))
    await settle()
    assert turns.waiting == 5
    worker.end.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [error for error in ended if error]
    assert len(refused) == 95
    assert all(isinstance(error, BusyError) and error.retry_after_s > 0 for error in refused)
    assert str(refused[0]).startswith("the server is busy: 4 requests wait, and no more may; try again in")


async def test_members_of_streams_wait():
    """What is not to be refused waits, however many do."""
    worker = Worker(Turns("test", 1, 1, 0.01))
    tasks = [asyncio.create_task(worker.work("stream", refusable=False)) for _ in range(50)]
    await asyncio.sleep(0.05)
    worker.end.set()
    await asyncio.gather(*tasks)
    assert len(worker.order) == 50


async def test_a_long_wait_ends():
    """Who has waited as long as it may is refused, and its place is free."""
    turns = Turns("test", 1, 10, 0.02)
    worker = Worker(turns)
    first = asyncio.create_task(worker.work(1))
    await settle()
    with pytest.raises(BusyError, match=r"and this one has for 0\.02 s, as long as it may"):
        await worker.work(2)
    assert turns.waiting == 0
    worker.end.set()
    await first


def counted(turns: Turns) -> dict[str, float]:
    """What the metrics say."""
    return {
        f"{sample.name}{''.join(sample.labels.values())}": sample.value
        for metric in turns.collect()
        for sample in metric.samples
    }


@given(st.integers(0, 2**32), st.integers(1, 3))
def test_nothing_is_lost(seed, slots):
    """Whoever leaves and whenever, all slots are free in the end and every request is counted once."""

    async def main() -> None:
        source = random.Random(seed)
        turns = Turns("test", slots, 12, 60)
        done = 0

        async def work(caller: int) -> None:
            nonlocal done
            async with turns.turn(caller):
                assert counted(turns)["test_working_requests"] <= slots
                for _ in range(source.randrange(4)):
                    await asyncio.sleep(0)
            done += 1

        tasks: list[asyncio.Task[None]] = []
        for _ in range(60):
            tasks.append(asyncio.create_task(work(source.randrange(4))))
            if source.random() < 0.4:
                source.choice(tasks).cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        figures = counted(turns)
        assert figures["test_waiting_requests"] == figures["test_working_requests"] == 0
        assert turns._free == slots

    asyncio.run(main())

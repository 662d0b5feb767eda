"""Requests: who leaves, what fails, and what is computed ahead of its caller."""

from __future__ import annotations

import asyncio

import pytest

from tests.helpers.lanes import Gate, collect, items_of, lane_of, start, tripled, until


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

"""Flow control."""

from __future__ import annotations

import asyncio

import pytest

from client.window import Window


async def is_blocked(task: asyncio.Task[None]) -> bool:
    """Tells whether a task waits after everything that can run has run."""
    for _ in range(20):
        await asyncio.sleep(0)
    return not task.done()


@pytest.mark.parametrize(("sizes", "next_size"), [([1, 1, 1], 1), ([60], 50), ([99], 2)])
async def test_a_full_window_waits_for_an_answer(sizes: list[int], next_size: int) -> None:
    """Neither more than 3 requests nor more than 100 bytes are under way."""
    window = Window(3, 100)
    for size in sizes:
        await window.enter(size)
    task = asyncio.create_task(window.enter(next_size))
    assert await is_blocked(task)
    await window.leave()
    await task


async def test_one_request_may_be_larger_than_the_window() -> None:
    """A single image above the bound passes alone."""
    await Window(3, 100).enter(1000)


async def test_the_reader_waits_for_requests_and_learns_of_the_end() -> None:
    """`awaits_answer` is True while something is under way, and False once nothing will be."""
    window = Window(3, 100)
    waiting = asyncio.create_task(window.awaits_answer())
    assert await is_blocked(waiting)  # pyright: ignore[reportArgumentType]
    await window.enter(1)
    assert await waiting
    await window.close()
    assert await window.awaits_answer()
    await window.leave()
    assert not await window.awaits_answer()

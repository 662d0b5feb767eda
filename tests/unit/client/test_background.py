"""Blocking input beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from client.background import call_in_background, in_background


async def test_items_come_in_order() -> None:
    """Everything an iterable gives arrives, in its order."""
    assert [item async for item in in_background(range(100))] == list(range(100))


async def test_an_error_comes_after_the_items_before_it() -> None:
    """What the iterable raises is raised where it would have been."""

    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    stream = in_background(items())
    assert await anext(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        await anext(stream)


async def test_a_blocked_reader_does_not_stop_the_loop() -> None:
    """While the thread waits for input, other tasks run; here one of them ends the wait."""
    gate = threading.Event()

    def items() -> Iterator[bool]:
        yield gate.wait()

    asyncio.get_running_loop().call_soon(gate.set)
    assert [item async for item in in_background(items())] == [True]


async def test_little_is_read_ahead() -> None:
    """The thread takes at most two items more than were asked for, and one it holds."""
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    stream = in_background(items())
    assert [await anext(stream) for _ in range(5)] == list(range(5))
    await stream.aclose()
    assert len(taken) <= 5 + 3


async def test_a_call_gives_its_result_or_its_error() -> None:
    """`call_in_background` is the function, elsewhere."""
    assert await call_in_background(threading.current_thread) is not threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        await call_in_background(lambda: 1 // 0)

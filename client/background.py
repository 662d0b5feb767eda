"""Blocking input beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")

_AHEAD = 2


async def call_in_background(function: Callable[[], T]) -> T:
    """Returns what a function returns that may block."""
    async with aclosing(in_background(function() for _ in range(1))) as results:
        return await anext(results)


async def in_background(items: Iterable[T]) -> AsyncGenerator[T]:
    """Yields the items, which a thread takes, so that a slow pipe does not stop the event loop.

    The thread is at most two items ahead. It is a daemon: one that waits for a pipe does not keep the
    program from ending.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[T | _End] = asyncio.Queue()
    room = threading.Semaphore(_AHEAD)
    stopped = threading.Event()

    def take() -> None:
        end = _End(None)
        try:
            for item in items:
                room.acquire()
                if stopped.is_set():
                    return
                loop.call_soon_threadsafe(queue.put_nowait, item)
        except Exception as error:  # noqa: BLE001 - raised again in the event loop
            end = _End(error)
        if not stopped.is_set():
            loop.call_soon_threadsafe(queue.put_nowait, end)

    threading.Thread(target=take, name="input", daemon=True).start()
    try:
        while not isinstance(item := await queue.get(), _End):
            room.release()
            yield item
        if item.error:
            raise item.error
    finally:
        stopped.set()
        room.release()


class _End:
    """The end of the items, with the error that was it."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

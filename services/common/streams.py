"""Streams of requests and answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")


async def in_order(
    requests: AsyncIterator[Request], answer: Callable[[Request], Awaitable[Answer]], limit: int
) -> AsyncGenerator[Answer]:
    """Yields the answer to each request, in their order.

    At most `limit` requests are worked on, or answered and not yet taken; only then is the next one read.
    Leaving the generator cancels what is under way.

    Raises:
        Exception: What reading a request or answering it raised; later requests are cancelled.
    """
    running: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue()
    room = asyncio.Semaphore(limit)

    async def work(request: Request) -> Answer:
        return await answer(request)

    async def read() -> None:
        try:
            async for request in requests:
                await room.acquire()
                running.put_nowait(asyncio.create_task(work(request)))
        finally:
            running.put_nowait(None)

    reader = asyncio.create_task(read())
    task: asyncio.Task[Answer] | None = None
    try:
        while task := await running.get():
            yield await task
            room.release()
        await reader
    finally:
        reader.cancel()
        reader.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody waits for it
        if task:
            task.cancel()
        while not running.empty():
            if task := running.get_nowait():
                task.cancel()

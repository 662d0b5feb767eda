"""Flow control of a stream of requests and answers."""

from __future__ import annotations

import asyncio
from collections import deque


class Window:
    """Bounds what has been sent and not yet answered, in number and in bytes.

    One request may always be under way, however large it is.
    """

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._sizes: deque[int] = deque()
        self._closed = False
        self._changed = asyncio.Condition()

    async def enter(self, size_bytes: int) -> None:
        """Waits until a request of this size may be sent, and counts it."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._has_room(size_bytes))
            self._sizes.append(size_bytes)
            self._changed.notify_all()

    async def leave(self) -> None:
        """Takes out the oldest request: its answer is here."""
        async with self._changed:
            self._sizes.popleft()
            self._changed.notify_all()

    async def close(self) -> None:
        """Says that nothing more will enter."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def awaits_answer(self) -> bool:
        """Waits until a request is under way and returns True; returns False when none will ever be."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._sizes or self._closed)
            return bool(self._sizes)

    def _has_room(self, size_bytes: int) -> bool:
        if not self._sizes:
            return True
        return len(self._sizes) < self._max_items and sum(self._sizes) + size_bytes <= self._max_bytes

"""Batches across callers: what waits when a worker becomes free is computed together.

An idle batcher answers at once; a loaded one fills its batches. There is no timer: waiting for company
would only add to the delay of those who are there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class QueueFullError(Exception):
    """There is no room for another request; the message says when to try again."""


class BatcherClosedError(Exception):
    """The batcher was closed before the item's turn came."""


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    future: asyncio.Future[Result]


class Batcher(Generic[Item, Result]):
    """Feeds items of many requests to one batch function.

    Requests take turns, one item each, so a small one does not wait behind a large one. An item whose
    caller has left is dropped before it is computed. When the function fails, the items of that batch
    alone fail. All methods belong to one event loop; the function runs in the executor's threads.
    """

    def __init__(
        self,
        function: Callable[[Sequence[Item]], Sequence[Result]],
        executor: Executor,
        *,
        workers: int = 1,
        max_batch_size: int = 32,
        capacity: int = 4096,
    ) -> None:
        """Sets up an idle batcher.

        Args:
            function: Takes 1..max_batch_size items and returns one result for each, in their order.
            executor: Runs the function.
            workers: Batches that may run at the same time.
            max_batch_size: Most items in a batch.
            capacity: Most items that requests hold at the same time, waiting, running or not yet taken.
        """
        self._function = function
        self._executor = executor
        self._idle_workers = workers
        self._max_batch_size = max_batch_size
        self._capacity = capacity
        self._window = 2 * max_batch_size * workers
        self._held = 0
        self._turns: deque[deque[_Waiting[Item, Result]]] = deque()
        self._batches: set[asyncio.Task[None]] = set()
        self._closed = False
        self._wakeup_due = False

    async def map(self, items: Iterable[Item]) -> AsyncGenerator[Result]:
        """Yields the result of each item, in order; takes items only as fast as results are taken.

        A request holds at most two batches for every worker, however many items it has.

        Raises:
            QueueFullError: At the first item, when the capacity is used up.
            BatcherClosedError: The batcher was closed.
            Exception: What the function raised for a batch with one of the items.
        """
        source = iter(items)
        first = list(islice(source, self._window))
        self._admit(len(first))
        turn: deque[_Waiting[Item, Result]] = deque()
        pending = deque(self._enqueue(turn, item) for item in first)
        try:
            while pending:
                result = await pending[0]
                pending.popleft()
                self._held -= 1
                for item in islice(source, 1):
                    pending.append(self._enqueue(turn, item))
                    self._held += 1
                yield result
        finally:
            self._held -= len(pending)
            for future in pending:
                _abandon(future)

    async def close(self) -> None:
        """Fails what waits, lets the running batches end; later requests are refused."""
        self._closed = True
        for turn in self._turns:
            for waiting in turn:
                if not waiting.future.done():
                    waiting.future.set_exception(BatcherClosedError("the server is stopping"))
        self._turns.clear()
        await asyncio.gather(*self._batches)

    @property
    def held(self) -> int:
        """Number of items that requests hold at the moment: waiting, running or not yet taken."""
        return self._held

    def _admit(self, count: int) -> None:
        if self._closed:
            raise BatcherClosedError("the server is stopping")
        # An idle batcher takes every request: its window may be larger than the capacity.
        if self._held and self._held + count > self._capacity:
            raise QueueFullError(
                f"the queue is full: {self._held} of {self._capacity} items are under way and this request "
                f"needs {count}; try again in a second"
            )
        self._held += count

    def _enqueue(self, turn: deque[_Waiting[Item, Result]], item: Item) -> asyncio.Future[Result]:
        if self._closed:
            raise BatcherClosedError("the server is stopping")
        loop = asyncio.get_running_loop()
        waiting = _Waiting[Item, Result](item, loop.create_future())
        if not turn:
            self._turns.append(turn)
        turn.append(waiting)
        if not self._wakeup_due:  # once the loop has heard all who are there
            self._wakeup_due = True
            loop.call_soon(self._wake_workers)
        return waiting.future

    def _wake_workers(self) -> None:
        self._wakeup_due = False
        while self._idle_workers and (batch := self._next_batch()):
            self._idle_workers -= 1
            task = asyncio.create_task(self._run(batch))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    def _next_batch(self) -> list[_Waiting[Item, Result]]:
        """Takes an idle worker's share of what waits, one item of each request in turn."""
        waiting = sum(len(turn) for turn in self._turns)
        size = min(self._max_batch_size, -(-waiting // self._idle_workers))
        batch: list[_Waiting[Item, Result]] = []
        while self._turns and len(batch) < size:
            turn = self._turns.popleft()
            taken = turn.popleft()
            if turn:
                self._turns.append(turn)
            if not taken.future.done():
                batch.append(taken)
        return batch

    async def _run(self, batch: list[_Waiting[Item, Result]]) -> None:
        items = [waiting.item for waiting in batch]
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._executor, self._function, items)
            outcomes = list(zip(batch, results, strict=True))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the callers' to see
            for waiting in batch:
                if not waiting.future.done():
                    waiting.future.set_exception(error)
        else:
            for waiting, result in outcomes:
                if not waiting.future.done():
                    waiting.future.set_result(result)
        self._idle_workers += 1
        self._wake_workers()


def _abandon(future: asyncio.Future[Result]) -> None:
    """Cancels a future; takes the exception of a failed one, which asyncio would report as never seen."""
    if not future.cancel() and not future.cancelled():
        future.exception()

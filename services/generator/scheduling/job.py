"""A request in a lane, as its caller sees it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from services.generator.scheduling.errors import ClosedError, QueueTimeoutError
from services.generator.scheduling.times import Outcome, RequestTimes

if TYPE_CHECKING:
    from services.generator.scheduling.lane import Lane

Work = TypeVar("Work")
Result = TypeVar("Result")


class Job(Generic[Work, Result]):
    """The results of a request, in the order of its items: `with job: async for result in job`.

    Each result is of one piece, one or more items. Leaving the `with` drops what was not computed. A job
    belongs to the event loop; what its lane's threads touch is guarded by the lane's lock.
    """

    def __init__(
        self,
        lane: Lane[Work, Result],
        work: Work,
        size: int,
        window: int,
        caller: Hashable,
        priority: int,
        timeout_s: float | None,
    ) -> None:
        self.work = work
        self.size = size
        self.caller = caller
        self.priority = priority
        self.begun = 0  # items that a thread took; under the lock, as is the next
        self.ready = window  # items that a thread may take
        self._lane = lane
        self._loop = asyncio.get_running_loop()
        self._window = window
        self._results: dict[int, tuple[int, Result]] = {}
        self._taken = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._arrived_s = time.monotonic()
        self._first_batch_s: float | None = None
        self._compute_s = 0.0
        self._computed = 0
        self._timer = self._loop.call_later(timeout_s, self._time_out, timeout_s) if timeout_s else None

    @property
    def remaining(self) -> int:
        """Items that no thread took yet."""
        return self.size - self.begun

    @property
    def held(self) -> int:
        """Items that wait, run or were not taken by the caller."""
        return self.begun + self.ready - self._taken

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end("cancelled")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Result:
        """Returns the result of the next piece.

        Raises:
            SchedulingError: It waited too long, or the lane was closed.
            Exception: What the function raised for a batch with one of the items.
        """
        if self._taken == self.size:
            self._end("done")
            raise StopAsyncIteration
        while self._taken not in self._results:
            if self._error:
                raise self._error
            self._waiter = self._loop.create_future()
            await self._waiter
        count, result = self._results.pop(self._taken)
        self._taken += count
        self._lane.release(self, count)
        if self._taken == self.size:
            self._end("done")
        return result

    def deliver(self, start: int, count: int, result: Result, began_s: float, compute_s: float) -> None:
        """Takes the result of a piece; in the event loop."""
        self._note(count, began_s, compute_s)
        if not self._ended:
            self._results[start] = (count, result)
            self._wake()

    def fail(self, error: Exception, began_s: float | None = None, compute_s: float = 0.0) -> None:
        """Ends the job: its caller gets the error; in the event loop."""
        if began_s is not None:
            self._note(0, began_s, compute_s)
        if not self._ended:
            self._error = error
            self._wake()
            match error:
                case QueueTimeoutError():
                    self._end("timed_out")
                case ClosedError():
                    self._end("closed")
                case _:
                    self._end("failed")

    def _note(self, count: int, began_s: float, compute_s: float) -> None:
        self._first_batch_s = self._first_batch_s or began_s
        self._compute_s += compute_s
        self._computed += count

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _time_out(self, timeout_s: float) -> None:
        if not self.begun:
            self.fail(QueueTimeoutError(f"the request waited for {timeout_s:g} s, as long as it may"))

    def _end(self, outcome: Outcome) -> None:
        if self._ended:
            return
        self._ended = True
        self._results.clear()
        if self._timer:
            self._timer.cancel()
        now = time.monotonic()
        times = RequestTimes(
            items=self.size,
            computed=self._computed,
            queue_s=(self._first_batch_s or now) - self._arrived_s,
            compute_s=self._compute_s,
            total_s=now - self._arrived_s,
            outcome=outcome,
        )
        self._lane.leave(self, times)

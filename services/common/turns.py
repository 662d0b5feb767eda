"""Slots for work, and a bounded queue before them in which callers take turns."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Hashable, Iterator
from contextlib import asynccontextmanager

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from services.common import deadlines

_SMOOTHING = 0.1  # of the time that work takes
_LEAST_RETRY_S, _MOST_RETRY_S = 0.1, 30.0  # that a refused caller is asked to wait


class BusyError(Exception):
    """There is no room to wait, or the wait grew too long; the message says when to try again."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Seconds until what waits now should be done."""


class Turns:
    """Gives slots to callers in turn, and to the requests of one caller in their order.

    A caller may have as many requests waiting as it leaves free (the dynamic threshold of Choudhury and
    Hahne, 1998), so however many one sends, there is room for the others. Belongs to one event loop.
    """

    def __init__(self, name: str, slots: int, max_waiting: int, max_wait_s: float) -> None:
        """Sets up free slots.

        Args:
            name: Beginning of the metrics' names.
            slots: How many requests may work at a time.
            max_waiting: How many may wait.
            max_wait_s: How long one may.
        """
        self._name = name
        self._slots = slots
        self.max_waiting = max_waiting
        """How many requests may wait."""
        self.max_wait_s = max_wait_s
        """How long one may."""
        self._free = slots
        self._queues: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()
        self._waiting = 0
        self._work_s = 0.0
        self._ended = {"full": 0, "late": 0, "left": 0}

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return self._waiting

    @asynccontextmanager
    async def turn(self, caller: Hashable, *, refusable: bool = True) -> AsyncGenerator[None]:
        """Waits for a slot and holds it in the context.

        Args:
            caller: Who asks.
            refusable: Whether it may be refused for lack of room or after too long a wait. Members of a
                stream are not: the stream is read only as fast as they are answered.

        Raises:
            BusyError: It is refused.
        """
        if self._free:
            self._free -= 1
        else:
            if refusable and len(self._queues.get(caller, ())) >= self.max_waiting - self._waiting:
                self._ended["full"] += 1
                raise self._busy("and no more may")
            if refusable:
                self._check_time(caller)
            await self._wait(caller, self.max_wait_s if refusable else None)
        begun_s = time.monotonic()
        try:
            yield
        finally:
            self._work_s += _SMOOTHING * (time.monotonic() - begun_s - self._work_s)
            self._hand_on()

    def collect(self) -> Iterator[Metric]:
        """Returns the metrics."""
        yield GaugeMetricFamily(f"{self._name}_waiting_requests", "Requests that wait.", self._waiting)
        yield GaugeMetricFamily(
            f"{self._name}_working_requests",
            "Requests that are worked on, or lie ready to be.",
            self._slots - self._free,
        )
        dropped = CounterMetricFamily(
            f"{self._name}_dropped_requests",
            "Requests of which nothing was done: no room to wait (full), too long a wait (late), or the "
            "caller had gone or its deadline passed (left).",
            labels=["reason"],
        )
        for reason, count in self._ended.items():
            dropped.add_metric([reason], count)
        yield dropped

    async def _wait(self, caller: Hashable, timeout_s: float | None) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(caller, deque()).append(turn)
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # it was given a slot in the same moment
                self._hand_on()
            else:
                self._leave(caller, turn)
            late = isinstance(error, TimeoutError)
            self._ended["late" if late else "left"] += 1
            if late:
                raise self._busy(f"and this one has for {timeout_s:g} s, as long as it may") from None
            raise

    def _hand_on(self) -> None:
        """Gives a slot to the next caller's first request, or frees it."""
        while self._queues:
            caller, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._queues[caller] = queue  # behind the others
            self._waiting -= 1
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _leave(self, caller: Hashable, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(caller)
        if queue and turn in queue:
            queue.remove(turn)
            self._waiting -= 1
            if not queue:
                del self._queues[caller]

    def _check_time(self, caller: Hashable) -> None:
        """Refuses what could not be done in time: to work for those who leave is to work for nobody."""
        left_s = deadlines.left_s()
        mine = len(self._queues.get(caller, ())) + 1
        callers = len(self._queues) + (mine == 1)
        if (
            left_s is not None
            and self._seconds(min(self._waiting + 1, callers * mine)) + self._work_s > left_s
        ):
            self._ended["late"] += 1
            raise self._busy(f"and this one's deadline is in {left_s:.2g} s")

    def _seconds(self, requests: int) -> float:
        return requests * self._work_s / self._slots

    def _busy(self, why: str) -> BusyError:
        retry_after_s = min(max(self._seconds(self._waiting), _LEAST_RETRY_S), _MOST_RETRY_S)
        return BusyError(
            f"the server is busy: {self._waiting} requests wait, {why}; try again in {retry_after_s:.1f} s",
            retry_after_s,
        )

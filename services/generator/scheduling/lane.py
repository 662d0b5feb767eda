"""The requests for one function, and the batches that are made of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.generator.scheduling.errors import ClosedError, QueueFullError
from services.generator.scheduling.job import Job
from services.generator.scheduling.patience import Patience
from services.generator.scheduling.queue import FairQueue
from services.generator.scheduling.times import BatchTimes, Observer, RequestTimes

Work = TypeVar("Work")
Result = TypeVar("Result")

_LEAST_RETRY_S, _MOST_RETRY_S = 0.1, 30.0  # that a refused caller is asked to wait
_SHARED = 2  # times as long, at most, a request takes because later ones of its caller share with it


@dataclass(frozen=True)
class Piece(Generic[Work]):
    """Items of one request in a batch."""

    work: Work
    """The request."""
    start: int
    """First of its items."""
    stop: int
    """One behind the last."""


@dataclass(frozen=True)
class LaneOptions:
    """How a lane makes batches."""

    max_batch_size: int = 32
    """Most items in a batch."""
    max_running: int = 1
    """Most batches at a time."""
    capacity: int = 4096
    """Most items that requests hold at a time: waiting, running or not yet taken; one caller gets half."""
    max_queue_delay_s: float = 0.0
    """Longest that what waits is held back for company while other batches run."""


class Lane(Generic[Work, Result]):
    """The queue of one function. Made by `Scheduler.open`, closed by `close`.

    Requests are served by priority, and the callers of one priority in turn. A request whose caller has left
    is dropped before it is computed. When the function fails, the requests of that batch alone fail.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[Sequence[Piece[Work]], bool], Sequence[Result]],
        options: LaneOptions,
        lock: threading.Lock,
        wake: Callable[[Lane[Work, Result]], None],
        observer: Observer | None,
    ) -> None:
        self.name = name
        self.running = 0
        """Batches that run."""
        self._function = function
        self._options = options
        self._lock = lock
        self._wake = wake
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._window = 2 * options.max_batch_size * options.max_running
        self._closed = False
        self._undelivered = 0
        self._delivered = asyncio.Event()
        self._jobs: set[Job[Work, Result]] = set()
        # Under the lock, counted in items:
        self._queue: FairQueue[Job[Work, Result]] = FairQueue()
        self._held = 0
        self._held_by: Counter[Hashable] = Counter()
        self._waiting = 0
        self._running_items = 0
        self._patience = Patience(options.max_batch_size, options.max_running, options.max_queue_delay_s)
        self._waiting_since_s = 0.0

    @property
    def held(self) -> int:
        """Items that requests hold at the moment: waiting, running or not yet taken."""
        return self._held

    @property
    def waiting(self) -> int:
        """Items that wait for a thread."""
        return self._waiting

    @property
    def pending(self) -> int:
        """Requests of which nothing is being computed yet."""
        return sum(not job.begun for job in list(self._jobs))

    def submit(
        self,
        work: Work,
        size: int,
        *,
        caller: Hashable = None,
        priority: int = 0,
        timeout_s: float | None = None,
        remaining_s: float | None = None,
        whole: bool = False,
    ) -> Job[Work, Result]:
        """Queues a request.

        Args:
            work: What the function gets to see of it.
            size: Its number of items, at least 1.
            caller: Who asks; callers get equal parts of what is computed.
            priority: Lower ones are served first, always.
            timeout_s: Fails the request when none of its items is being computed by then.
            remaining_s: Time until its caller stops waiting for the last item; None: never.
            whole: All items are computed without any result being taken. Otherwise the request is fed as its
                results are taken, and holds at most two batches for each that may run.

        Raises:
            QueueFullError: The capacity is used up, or the caller would have left before its turn.
            ClosedError: The lane was closed.
        """
        window = size if whole else min(size, self._window)
        with self._lock:
            if self._closed:
                raise ClosedError("the server is stopping")
            # An idle lane takes every request: its window may be larger than the capacity. Otherwise a
            # caller may hold as much as it leaves free (the dynamic threshold of Choudhury and Hahne, 1998),
            # so that however much one asks for, there is room for the others.
            mine = self._held_by[caller]
            if self._held and mine + window > self._options.capacity - self._held:
                if self._observer:
                    self._observer.request_refused(self.name)
                raise self._full(mine, window)
            if self._waiting and remaining_s is not None:
                self._check_time(mine, size, remaining_s)
            job = Job(self, work, size, window, caller, priority, timeout_s)
            self._hold(caller, window)
            self._enqueue(job, window)
        self._jobs.add(job)
        return job

    async def close(self) -> None:
        """Fails the requests that wait, lets the running batches end; later requests are refused."""
        with self._lock:
            self._closed = True
        for job in [job for job in self._jobs if job.remaining]:
            job.fail(ClosedError("the server is stopping"))
        while self._undelivered:
            self._delivered.clear()
            await self._delivered.wait()

    def release(self, job: Job[Work, Result], taken: int) -> None:
        """Frees the room of results that were taken; lets as many more items be computed."""
        with self._lock:
            more = min(taken, job.remaining - job.ready)
            self._hold(job.caller, more - taken)
            if not more:
                return
            job.ready += more
            if job in self._queue:
                self._waiting += more
            else:
                self._enqueue(job, more)

    def leave(self, job: Job[Work, Result], times: RequestTimes) -> None:
        """Forgets a request; what waits of it is dropped."""
        with self._lock:
            if job in self._queue:
                self._queue.discard(job)
                self._waiting -= job.ready
            self._hold(job.caller, -job.held)
        self._jobs.discard(job)
        if self._observer:
            self._observer.request_ended(self.name, times)

    def _hold(self, caller: Hashable, items: int) -> None:
        self._held += items
        self._held_by[caller] += items
        if not self._held_by[caller]:
            del self._held_by[caller]

    def _check_time(self, mine: int, size: int, remaining_s: float) -> None:
        """Refuses what could not be done in time: to work for those who leave is to work for nobody."""
        callers = len(self._held_by) + (not mine)
        # What is done and not yet taken costs nothing more; callers share, so what others wait for need not
        # be done before.
        ahead = min(self._waiting + self._running_items + size, callers * (mine + size))
        wait_s = _SHARED * self._seconds(ahead)
        if wait_s > remaining_s:
            if self._observer:
                self._observer.request_refused(self.name)
            retry_after_s = min(max(wait_s - remaining_s, _LEAST_RETRY_S), _MOST_RETRY_S)
            raise QueueFullError(
                f"the queue is too long: the request would be done in about {wait_s:.2g} s, and its deadline "
                f"is in {remaining_s:.2g} s; try again in {retry_after_s:.1f} s",
                retry_after_s,
            )

    def _seconds(self, items: int) -> float:
        return items * self._patience.item_s / self._options.max_running

    def _full(self, mine: int, window: int) -> QueueFullError:
        retry_after_s = min(max(self._seconds(self._held), _LEAST_RETRY_S), _MOST_RETRY_S)
        return QueueFullError(
            f"the queue is full: {self._held} of {self._options.capacity} items are under way, {mine} by "
            f"this caller, and the request needs {window}; try again in {retry_after_s:.1f} s",
            retry_after_s,
        )

    # What the threads call, under the lock:

    @property
    def has_work(self) -> bool:
        """Whether a batch can be taken."""
        return self._waiting > 0 and self.running < self._options.max_running

    def patience_s(self) -> float:
        """Returns how long what waits should still be held back for company; 0 or less: no longer."""
        waited_s = time.monotonic() - self._waiting_since_s
        return self._patience.left_s(self._waiting, waited_s, self._running_items)

    def take(self, free: int, *, alone: bool) -> Batch[Work, Result]:
        """Takes the share of one of `free` threads; `alone`: no other lane computes."""
        options = self._options
        free = min(free, options.max_running - self.running)
        limit = min(self._patience.share(self._waiting + self._running_items), -(-self._waiting // free))
        if len(self._queue) == 1:
            limit = self._even_share(self._queue.first.remaining, free)
        pieces: list[tuple[Job[Work, Result], Piece[Work]]] = []
        for job, count in self._queue.take(limit):
            pieces.append((job, Piece(job.work, job.begun, job.begun + count)))
            job.begun += count
            job.ready -= count
            self._waiting -= count
        size = sum(piece.stop - piece.start for _, piece in pieces)
        alone = alone and not self.running and not self._waiting and self._patience.load <= size
        self.running += 1
        self._running_items += size
        self._undelivered += 1
        return Batch(self, self._function, pieces, size, alone)

    def _even_share(self, remaining: int, free: int) -> int:
        """Returns the batch size for a lone request with which the threads end together."""
        options = self._options
        if remaining <= options.max_batch_size * free:
            return -(-remaining // free)
        rounds = -(-remaining // (options.max_batch_size * options.max_running))
        return -(-remaining // (options.max_running * rounds))

    def _enqueue(self, job: Job[Work, Result], count: int) -> None:
        if not self._waiting:
            self._waiting_since_s = time.monotonic()
        self._queue.push(job)
        self._waiting += count
        self._wake(self)

    # What a batch calls in its thread when it has run:

    def ended(self, batch: Batch[Work, Result], times: BatchTimes) -> None:
        """Takes note of the load and speed; hands the batch over to the event loop."""
        with self._lock:
            self._patience.note(self._waiting + self._running_items, times.items, times.compute_s)
            self.running -= 1
            self._running_items -= times.items
        self._loop.call_soon_threadsafe(self._hand_over, batch, times)

    def _hand_over(self, batch: Batch[Work, Result], times: BatchTimes) -> None:
        batch.deliver(times.compute_s)
        self._undelivered -= 1
        self._delivered.set()
        if self._observer:
            self._observer.batch_ended(self.name, times)


class Batch(Generic[Work, Result]):
    """Items of some requests, computed together."""

    def __init__(
        self,
        lane: Lane[Work, Result],
        function: Callable[[Sequence[Piece[Work]], bool], Sequence[Result]],
        pieces: Sequence[tuple[Job[Work, Result], Piece[Work]]],
        size: int,
        alone: bool,
    ) -> None:
        self._lane = lane
        self._function = function
        self._pieces = pieces
        self._size = size
        self._alone = alone
        self._began_s = time.monotonic()
        self._results: Sequence[Result] | Exception = ()

    def run(self) -> None:
        """Computes; in a thread."""
        try:
            self._results = self._function([piece for _, piece in self._pieces], self._alone)
            if len(self._results) != len(self._pieces):
                raise ValueError(f"{len(self._results)} results for {len(self._pieces)} pieces")
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the callers' to see
            self._results = error
        compute_s = time.monotonic() - self._began_s
        failed = isinstance(self._results, Exception)
        self._lane.ended(self, BatchTimes(self._size, len(self._pieces), compute_s, failed))

    def deliver(self, compute_s: float) -> None:
        """Hands the results, or the error, to the requests; in the event loop."""
        if isinstance(self._results, Exception):
            for job, _ in self._pieces:
                job.fail(self._results, self._began_s, compute_s)
        else:
            for (job, piece), result in zip(self._pieces, self._results, strict=True):
                job.deliver(piece.start, piece.stop - piece.start, result, self._began_s, compute_s)

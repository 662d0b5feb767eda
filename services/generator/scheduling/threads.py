"""The threads that compute."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from services.generator.scheduling.lane import Batch, Lane, LaneOptions, Piece
from services.generator.scheduling.times import Observer

Work = TypeVar("Work")
Result = TypeVar("Result")


class Scheduler:
    """Threads that compute the batches of any number of lanes, which take turns."""

    def __init__(self, threads: int) -> None:
        """Takes the number of threads, which start with the first lane; `close` ends them."""
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)
        self._lanes: deque[Lane[Any, Any]] = deque()
        self._free = 0  # threads that wait
        self._patient = 0  # of them, those that will look again by themselves
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"compute-{number}", daemon=True)
            for number in range(threads)
        ]
        self._started = False

    @property
    def threads(self) -> int:
        """Number of threads."""
        return len(self._threads)

    def open(
        self,
        name: str,
        function: Callable[[Sequence[Piece[Work]], bool], Sequence[Result]],
        options: LaneOptions,
        observer: Observer | None = None,
    ) -> Lane[Work, Result]:
        """Opens a lane for the running event loop.

        Args:
            name: What the observer is told.
            function: Takes the pieces of a batch, and whether nothing else computes or waits; returns a
                result for each piece, in their order. Called in the threads, several at a time.
            options: How batches are made.
            observer: Hears of batches and requests.
        """
        lane = Lane(name, function, options, self._lock, self._wake, observer)
        with self._lock:
            self._lanes.append(lane)
        if not self._started:
            self._started = True
            for thread in self._threads:
                thread.start()
        return lane

    async def shut(self, lane: Lane[Any, Any]) -> None:
        """Closes a lane: fails what waits in it, lets its running batches end."""
        await lane.close()
        with self._lock:
            self._lanes.remove(lane)

    def close(self) -> None:
        """Ends the threads, after the batches that run; their lanes are to be closed before."""
        with self._lock:
            self._closed = True
            self._ready.notify_all()
        if self._started:
            for thread in self._threads:
                thread.join()

    def _wake(self, lane: Lane[Any, Any]) -> None:
        """Tells a free thread that something waits in a lane; under the lock."""
        if self._free and not (self._patient and lane.patience_s() > 0):
            self._ready.notify()

    def _work(self) -> None:
        while batch := self._next_batch():
            batch.run()
            del batch  # a waiting thread must not keep its results alive

    def _next_batch(self) -> Batch[Any, Any] | None:
        """Waits for a batch and takes it; returns None when the scheduler is closed."""
        with self._lock:
            while not self._closed:
                batch, patience_s = self._take()
                if batch:
                    return batch
                self._free += 1
                self._patient += patience_s is not None
                self._ready.wait(patience_s)
                self._patient -= patience_s is not None
                self._free -= 1
        return None

    def _take(self) -> tuple[Batch[Any, Any] | None, float | None]:
        """Takes a batch of the first lane that has one; else returns after how long one may be due."""
        patience_s: float | None = None
        for _ in range(len(self._lanes)):
            lane = self._lanes[0]
            self._lanes.rotate(-1)
            if not lane.has_work:
                continue
            wait_s = lane.patience_s()
            if wait_s <= 0:
                alone = not any(lane.running for lane in self._lanes)
                batch = lane.take(self._free + 1, alone=alone)
                for lane in self._lanes:
                    if lane.has_work:
                        self._wake(lane)
                        break
                return batch, None
            patience_s = wait_s if patience_s is None else min(patience_s, wait_s)
        return None, patience_s

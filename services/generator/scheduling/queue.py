"""Who is served next: by priority, then callers in turn, then a caller's requests in turn.

A plain data structure: no threads, no clock, no event loop.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Claimant(Protocol):
    """A request for some items."""

    @property
    def caller(self) -> Hashable:
        """Who asks; callers share what there is in equal parts."""
        ...

    @property
    def priority(self) -> int:
        """Lower is served first, always."""
        ...

    @property
    def ready(self) -> int:
        """Items that may be taken now; only the queue's user changes it, by `FairQueue.take`'s result."""
        ...


Job = TypeVar("Job", bound=Claimant)
_Turns = OrderedDict[Hashable, OrderedDict[Job, None]]
"""Callers, and the requests of each; who had a turn goes to the end."""


class FairQueue(Generic[Job]):
    """Requests that have items ready to be taken."""

    def __init__(self) -> None:
        self._levels: dict[int, _Turns[Job]] = {}
        self._queued: set[Job] = set()

    def __contains__(self, job: Job) -> bool:
        return job in self._queued

    def __len__(self) -> int:
        return len(self._queued)

    @property
    def first(self) -> Job:
        """Any request; the only one when there is but one."""
        return next(iter(self._queued))

    def push(self, job: Job) -> None:
        """Adds a request with items ready, behind the others of its caller."""
        callers = self._levels.setdefault(job.priority, OrderedDict())
        callers.setdefault(job.caller, OrderedDict())[job] = None
        self._queued.add(job)

    def discard(self, job: Job) -> None:
        """Removes a request, if it is there."""
        if job not in self._queued:
            return
        self._queued.remove(job)
        callers = self._levels[job.priority]
        jobs = callers[job.caller]
        del jobs[job]
        if not jobs:
            del callers[job.caller]
        if not callers:
            del self._levels[job.priority]

    def take(self, limit: int) -> list[tuple[Job, int]]:
        """Takes up to `limit` items; returns how many of each request, in the order of their turns.

        A request without items left is out of the queue. `ready` of the others has to be lowered by the
        caller of this method before the next call.
        """
        taken: dict[Job, int] = {}
        for priority in sorted(self._levels):
            callers = self._levels[priority]
            while callers and limit:
                share = max(1, limit // len(callers))
                for _ in range(min(len(callers), limit)):
                    limit -= self._turn_of_caller(callers, min(share, limit), taken)
            if not callers:
                del self._levels[priority]
        return list(taken.items())

    def _turn_of_caller(self, callers: _Turns[Job], limit: int, taken: dict[Job, int]) -> int:
        """Takes up to `limit` items of the caller whose turn it is; returns how many."""
        caller, jobs = callers.popitem(last=False)
        left = limit
        while jobs and left:
            share = max(1, left // len(jobs))
            for _ in range(min(len(jobs), left)):
                job, _ = jobs.popitem(last=False)
                before = taken.get(job, 0)
                count = min(share, left, job.ready - before)
                taken[job] = before + count
                left -= count
                if taken[job] < job.ready:
                    jobs[job] = None
                else:
                    self._queued.remove(job)
        if jobs:
            callers[caller] = jobs
        return limit - left

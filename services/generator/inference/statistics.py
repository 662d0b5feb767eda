"""What every model version did since it was loaded, as the protocol and Triton's metrics count it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from services.generator.scheduling import BatchTimes, Outcome, RequestTimes

FailureReason = Literal["REJECTED", "CANCELED", "BACKEND", "OTHER"]
FAILURE_REASONS: tuple[FailureReason, ...] = ("REJECTED", "CANCELED", "BACKEND", "OTHER")
"""As Triton names them: it waited too long or found the queue full; its caller left; the model failed; the
server stopped."""

_REASONS: dict[Outcome, FailureReason] = {
    "timed_out": "REJECTED",
    "cancelled": "CANCELED",
    "failed": "BACKEND",
    "closed": "OTHER",
}


@dataclass
class Total:
    """How often something happened, and how long it took in all."""

    count: int = 0
    """How often."""
    ns: int = 0
    """Nanoseconds in all."""

    def add(self, seconds: float) -> None:
        """Counts it once more."""
        self.count += 1
        self.ns += _ns(seconds)


@dataclass
class VersionStatistics:
    """What one version did."""

    images: int = 0
    """Images of the requests that were fulfilled."""
    runs: int = 0
    """Batches that were computed."""
    last_request_ms: int = 0
    """When the newest request ended, milliseconds since 1970; 0 means never."""
    success: Total = field(default_factory=Total)
    """Requests that were fulfilled, from their arrival until their last image was taken."""
    failures: dict[FailureReason, Total] = field(
        default_factory=lambda: {reason: Total() for reason in FAILURE_REASONS}
    )
    """Requests that were not."""
    queue_ns: int = 0
    """Nanoseconds from fulfilled requests' arrival to the start of their first batch."""
    input_ns: int = 0
    """Nanoseconds of reading tensors."""
    infer_ns: int = 0
    """Nanoseconds, over the fulfilled requests, of all batches that had images of the request."""
    output_ns: int = 0
    """Nanoseconds of writing tensors or image files."""
    by_batch_size: dict[int, Total] = field(default_factory=dict[int, Total])
    """Batches by their number of images."""

    @property
    def fail(self) -> Total:
        """Requests that were not fulfilled, for whatever reason."""
        totals = self.failures.values()
        return Total(sum(total.count for total in totals), sum(total.ns for total in totals))


class Statistics:
    """Counts for each version that is served, by its lane `model/version`. Belongs to the event loop."""

    def __init__(self) -> None:
        """Knows no version."""
        self._versions: dict[str, VersionStatistics] = {}

    def add(self, lane: str) -> None:
        """Begins to count for a version, unless it does already."""
        self._versions.setdefault(lane, VersionStatistics())

    def remove(self, lane: str) -> None:
        """Forgets a version; what its last requests do is not counted."""
        self._versions.pop(lane, None)

    def of(self, lane: str) -> VersionStatistics:
        """Returns what a version did; nothing for one that is not known."""
        return self._versions.get(lane) or VersionStatistics()

    @property
    def versions(self) -> list[tuple[str, VersionStatistics]]:
        """Every version with its lane."""
        return list(self._versions.items())

    def batch_ended(self, lane: str, times: BatchTimes) -> None:
        """Counts a batch."""
        version = self.of(lane)
        if not times.failed:
            version.runs += 1
            version.by_batch_size.setdefault(times.items, Total()).add(times.compute_s)

    def request_ended(self, lane: str, times: RequestTimes) -> None:
        """Counts a request."""
        version = self.of(lane)
        version.last_request_ms = time.time_ns() // 10**6
        if times.outcome == "done":
            version.images += times.items
            version.success.add(times.total_s)
            version.queue_ns += _ns(times.queue_s)
            version.infer_ns += _ns(times.compute_s)
        else:
            version.failures[_REASONS[times.outcome]].add(times.total_s)

    def request_refused(self, lane: str) -> None:
        """Counts a request that found the queue full."""
        self.of(lane).failures["REJECTED"].add(0)

    def input_read(self, lane: str, seconds: float) -> None:
        """Counts the reading of a request's tensors."""
        self.of(lane).input_ns += _ns(seconds)

    def output_written(self, lane: str, seconds: float) -> None:
        """Counts the writing of tensors or image files."""
        self.of(lane).output_ns += _ns(seconds)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)

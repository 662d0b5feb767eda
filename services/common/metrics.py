"""Prometheus metrics: what every service counts.

The calls are counted under the names of the gRPC ecosystem (`grpc_server_*`, as go-grpc-middleware has
them), so that dashboards and alerts made for those work here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Protocol

import grpc
from prometheus_client import Counter, Histogram, Info, disable_created_metrics
from prometheus_client.metrics_core import Metric

from services.common.version import GANPRESS_VERSION

disable_created_metrics()  # they would double the number of series for nothing

SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper bounds for the duration of a call: from an idle server's answer to a long stream."""


class Source(Protocol):
    """Something that has metrics, as prometheus_client wants it."""

    def collect(self) -> Iterable[Metric]:
        """Returns them as they are now; called by a thread of the HTTP server."""
        ...


class CallMetrics:
    """Counts the calls of a server by service and method; only methods that exist, so the series are few."""

    def __init__(self) -> None:
        """Starts at zero."""
        labels = ("grpc_type", "grpc_service", "grpc_method")
        self._started = Counter("grpc_server_started", "Calls that arrived.", labels, registry=None)
        self._handled = Counter(
            "grpc_server_handled", "Calls that ended, by status code.", (*labels, "grpc_code"), registry=None
        )
        self._seconds = Histogram(
            "grpc_server_handling_seconds",
            "Seconds from a call's arrival to its end.",
            labels,
            registry=None,
            buckets=SECONDS_BUCKETS,
        )

    def method(self, grpc_type: str, service: str, name: str) -> MethodMetrics:
        """Returns what counts the calls of one method."""
        labels = (grpc_type, service, name)
        return MethodMetrics(
            self._started.labels(*labels),
            lambda code: self._handled.labels(*labels, code_name(code)),
            self._seconds.labels(*labels),
        )

    def collect(self) -> Iterable[Metric]:
        """Returns the metrics."""
        for metric in (self._started, self._handled, self._seconds):
            yield from metric.collect()


class MethodMetrics:
    """Counts the calls of one method."""

    def __init__(
        self, started: Counter, handled: Callable[[grpc.StatusCode], Counter], seconds: Histogram
    ) -> None:
        """Takes the metrics, their labels filled in; that of a code when it is first met."""
        self._started, self._seconds = started, seconds
        self._handled = cache(handled)

    def begin(self) -> None:
        """Counts a call that arrived."""
        self._started.inc()

    def end(self, code: grpc.StatusCode, duration_s: float) -> None:
        """Counts a call that ended."""
        self._handled(code).inc()
        self._seconds.observe(duration_s)


def build_info() -> Info:
    """Returns the metric that says what is running."""
    info = Info("ganpress_build", "Version of GanPress; the value is 1.", registry=None)
    info.info({"version": GANPRESS_VERSION})
    return info


def code_name(code: grpc.StatusCode) -> str:
    """Returns a status code as these metrics spell it: "OK", "NotFound", "Canceled"."""
    if code is grpc.StatusCode.OK:
        return "OK"
    if code is grpc.StatusCode.CANCELLED:
        return "Canceled"
    return "".join(word.capitalize() for word in code.name.split("_"))

"""The generator's metrics for Prometheus: its own, and those of Triton by their names.

docs/operations.md lists them. All have the labels `model` and `version`, and only those of versions that are
served, so there are as many series as the repository has models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import get_args

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from services.common.metrics import SECONDS_BUCKETS
from services.generator.inference.statistics import Statistics, VersionStatistics
from services.generator.scheduling import BatchTimes, Outcome, RequestTimes
from services.generator.served import ServedModel

_LABELS = ("model", "version")
_BATCH_BUCKETS = tuple(2**power for power in range(13))  # 1..4096, the largest max_batch_size
_OUTCOMES = (*get_args(Outcome), "refused")
_SHORT_BUCKETS = (0.00025, 0.0005, *SECONDS_BUCKETS[:-3])


@dataclass(frozen=True)
class _Series:
    """The series of one version."""

    queue_s: Histogram
    compute_s: Histogram
    batch_images: Histogram
    images: Counter
    encode_s: Callable[[str], Histogram]
    request_s: dict[str, Histogram]


class GeneratorMetrics:
    """Hears of batches and requests, and of versions that come and go."""

    def __init__(self) -> None:
        """Knows no version."""
        self.statistics = Statistics()
        self.runners: Callable[[], Iterable[ServedModel]] = list[ServedModel]
        """Returns the versions in memory."""
        self._versions: dict[str, _Series] = {}
        self._queue_s = _histogram("queue_seconds", "Seconds from a request's arrival to its first batch.")
        self._compute_s = _histogram("compute_seconds", "Seconds of a batch in the model.")
        self._batch_images = Histogram(
            "ganpress_generator_batch_images",
            "Images in a batch.",
            _LABELS,
            registry=None,
            buckets=_BATCH_BUCKETS,
        )
        self._encode_s = _histogram("encode_seconds", "Seconds to write an answer's images.", "format")
        self._request_s = Histogram(
            "ganpress_generator_request_seconds",
            "Seconds from a request's arrival until its last image was taken, or to its end.",
            (*_LABELS, "outcome"),
            registry=None,
            buckets=SECONDS_BUCKETS,
        )
        self._images = Counter("ganpress_generator_images", "Images that were drawn.", _LABELS, registry=None)
        self._ready = Gauge(
            "ganpress_generator_model_ready", "1 for each version that is served.", _LABELS, registry=None
        )
        self._load_failures = Counter(
            "ganpress_generator_model_load_failures",
            "Attempts to load a version that failed.",
            ("model",),
            registry=None,
        )
        self._by_version = (
            self._queue_s,
            self._compute_s,
            self._batch_images,
            self._encode_s,
            self._request_s,
            self._images,
            self._ready,
        )

    def version_ready(self, model: str, version: int) -> None:
        """Begins to count for a version, unless it does already."""
        lane = f"{model}/{version}"
        self.statistics.add(lane)
        labels = (model, version)
        self._ready.labels(*labels).set(1)
        self._versions[lane] = _Series(
            self._queue_s.labels(*labels),
            self._compute_s.labels(*labels),
            self._batch_images.labels(*labels),
            self._images.labels(*labels),
            lambda form: self._encode_s.labels(*labels, form),
            {outcome: self._request_s.labels(*labels, outcome) for outcome in _OUTCOMES},
        )

    def version_gone(self, model: str, version: int) -> None:
        """Forgets a version's series; what its last requests do is not counted."""
        lane = f"{model}/{version}"
        self.statistics.remove(lane)
        self._versions.pop(lane, None)
        for metric in self._by_version:
            metric.remove_by_labels({"model": model, "version": str(version)})

    def version_failed(self, model: str) -> None:
        """Counts a version that could not be loaded."""
        self._load_failures.labels(model).inc()

    def batch_ended(self, lane: str, times: BatchTimes) -> None:
        """Counts a batch."""
        self.statistics.batch_ended(lane, times)
        if series := self._versions.get(lane):
            series.compute_s.observe(times.compute_s)
            series.batch_images.observe(times.items)
            if not times.failed:
                series.images.inc(times.items)

    def request_ended(self, lane: str, times: RequestTimes) -> None:
        """Counts a request."""
        self.statistics.request_ended(lane, times)
        if series := self._versions.get(lane):
            series.queue_s.observe(times.queue_s)
            series.request_s[times.outcome].observe(times.total_s)

    def request_refused(self, lane: str) -> None:
        """Counts a request that found the queue full."""
        self.statistics.request_refused(lane)
        if series := self._versions.get(lane):
            series.request_s["refused"].observe(0)

    def encoded(self, lane: str, form: str, seconds: float) -> None:
        """Counts the writing of an answer's images; `form` is one of few, such as "png"."""
        self.statistics.output_written(lane, seconds)
        if series := self._versions.get(lane):
            series.encode_s(form).observe(seconds)

    def collect(self) -> Iterable[Metric]:
        """Returns the metrics."""
        for metric in (*self._by_version, self._load_failures):
            yield from metric.collect()
        yield from self._load_metrics()
        yield from self._triton_metrics()

    def _load_metrics(self) -> Iterable[Metric]:
        """What is under way now."""
        pending = GaugeMetricFamily(
            "nv_inference_pending_request_count", "Requests that wait for the model.", labels=_LABELS
        )
        held = GaugeMetricFamily(
            "ganpress_generator_images_under_way",
            "Images that wait, are computed or were not yet taken; of a large request only the nearest.",
            labels=_LABELS,
        )
        load: dict[tuple[str, str], tuple[int, int]] = {}
        for served in self.runners():  # two of a version whose files were replaced while it was in use
            labels = (served.model.name, str(served.model.version))
            requests, images = load.get(labels, (0, 0))
            load[labels] = requests + served.pending, images + served.held
        for labels, (requests, images) in load.items():
            pending.add_metric(labels, requests)
            held.add_metric(labels, images)
        yield from (pending, held)

    def _triton_metrics(self) -> Iterable[Metric]:
        """Triton's names and units. Of unknown type, since their names lack the `_total` of a counter."""
        versions = self.statistics.versions
        for name, help_text, value in _TRITON:
            metric = Metric(name, help_text, "unknown")
            for lane, version in versions:
                metric.add_sample(name, _labelled(lane), value(version))
            yield metric
        failures = Metric("nv_inference_request_failure", "Requests that failed, by reason.", "unknown")
        for lane, version in versions:
            for reason, total in version.failures.items():
                failures.add_sample(failures.name, {**_labelled(lane), "reason": reason}, total.count)
        yield failures


_TRITON: tuple[tuple[str, str, Callable[[VersionStatistics], float]], ...] = (
    ("nv_inference_request_success", "Requests that were fulfilled.", lambda v: v.success.count),
    ("nv_inference_count", "Images of the requests that were fulfilled.", lambda v: v.images),
    ("nv_inference_exec_count", "Batches that were computed.", lambda v: v.runs),
    (
        "nv_inference_request_duration_us",
        "Microseconds of fulfilled requests.",
        lambda v: v.success.ns // 1000,
    ),
    (
        "nv_inference_queue_duration_us",
        "Microseconds that fulfilled requests waited.",
        lambda v: v.queue_ns // 1000,
    ),
    (
        "nv_inference_compute_input_duration_us",
        "Microseconds of reading tensors.",
        lambda v: v.input_ns // 1000,
    ),
    (
        "nv_inference_compute_infer_duration_us",
        "Microseconds of the batches of fulfilled requests.",
        lambda v: v.infer_ns // 1000,
    ),
    (
        "nv_inference_compute_output_duration_us",
        "Microseconds of writing tensors and image files.",
        lambda v: v.output_ns // 1000,
    ),
)


def _histogram(name: str, help_text: str, *labels: str) -> Histogram:
    return Histogram(
        f"ganpress_generator_{name}", help_text, (*_LABELS, *labels), registry=None, buckets=_SHORT_BUCKETS
    )


def _labelled(lane: str) -> dict[str, str]:
    model, version = lane.rsplit("/", 1)
    return {"model": model, "version": version}

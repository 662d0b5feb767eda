"""What the compressor counts."""

from __future__ import annotations

from collections.abc import Iterable

from ganpress.v1 import compressor_service_pb2 as pb
from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from services.common.metrics import SECONDS_BUCKETS
from services.compressor.workers import Workers

RATIO_BUCKETS = (0.5, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 100)
"""Upper bounds for the ratio of sizes: from files that grew to flat graphics."""


class CompressorMetrics:
    """Counts images, bytes and seconds by codec; a failed image has the codec ""."""

    def __init__(self, workers: Workers) -> None:
        """Starts at zero."""
        self._workers = workers
        self._images = Counter(
            "ganpress_compressor_images",
            "Images compressed, decompressed or evaluated, by codec and outcome.",
            ("method", "codec", "outcome"),
            registry=None,
        )
        self._input_bytes = Counter(
            "ganpress_compressor_input_bytes",
            "Bytes of files that were compressed.",
            ("codec",),
            registry=None,
        )
        self._output_bytes = Counter(
            "ganpress_compressor_output_bytes", "Bytes of the compressed files.", ("codec",), registry=None
        )
        self._ratio = Histogram(
            "ganpress_compressor_ratio",
            "Bytes of a file over those of its compressed one.",
            ("codec",),
            registry=None,
            buckets=RATIO_BUCKETS,
        )
        self._encode = Histogram(
            "ganpress_compressor_encode_seconds",
            "Seconds to compress an image; with a goal, of the whole search.",
            ("codec",),
            registry=None,
            buckets=SECONDS_BUCKETS,
        )
        self._decode = Histogram(
            "ganpress_compressor_decode_seconds",
            "Seconds to read an image that came in, by its format.",
            ("format",),
            registry=None,
            buckets=SECONDS_BUCKETS,
        )

    def compressed(self, response: pb.CompressResponse) -> None:
        """Counts an image that was compressed."""
        codec, stats = response.codec, response.stats
        self._images.labels("compress", codec, "ok").inc()
        self._input_bytes.labels(codec).inc(stats.input_bytes)
        self._output_bytes.labels(codec).inc(stats.output_bytes)
        self._ratio.labels(codec).observe(stats.ratio)
        self._encode.labels(codec).observe(stats.encode_ms / 1000)
        self._decode.labels(response.input.format).observe(stats.input_decode_ms / 1000)

    def decompressed(self, response: pb.DecompressResponse) -> None:
        """Counts a file that was decompressed."""
        self._images.labels("decompress", response.codec, "ok").inc()
        self._decode.labels(response.codec).observe(response.decode_ms / 1000)

    def evaluated(self, response: pb.EvaluateResponse) -> None:
        """Counts a pair that was compared."""
        self._images.labels("evaluate", response.codec, "ok").inc()

    def failed(self, method: str) -> None:
        """Counts an image that was refused or broke."""
        self._images.labels(method, "", "error").inc()

    def collect(self) -> Iterable[Metric]:
        """Returns the metrics."""
        for metric in (
            self._images,
            self._input_bytes,
            self._output_bytes,
            self._ratio,
            self._encode,
            self._decode,
        ):
            yield from metric.collect()
        busy = GaugeMetricFamily("ganpress_compressor_workers_busy", "Workers that work.")
        busy.add_metric((), self._workers.busy)
        yield busy
        deaths = CounterMetricFamily(
            "ganpress_compressor_worker_deaths", "Processes that an image brought down."
        )
        deaths.add_metric((), self._workers.deaths)
        yield deaths

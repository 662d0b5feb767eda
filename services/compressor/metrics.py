"""What the compressor counts."""

from __future__ import annotations

from collections.abc import Iterable

from ganpress.v1 import compressor_service_pb2 as pb
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from services.common.metrics import SECONDS_BUCKETS
from services.compressor.tallies import Distribution, Tally
from services.compressor.workers import Workers

RATIO_BUCKETS = (0.5, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 100)
"""Upper bounds for the ratio of sizes: from files that grew to flat graphics."""


class CompressorMetrics:
    """Counts images, bytes and seconds by codec; a failed image has the codec ""."""

    def __init__(self, workers: Workers) -> None:
        """Starts at zero."""
        self._workers = workers
        self._images = Tally(
            "ganpress_compressor_images",
            "Images compressed, decompressed or evaluated, by codec and outcome.",
            ("method", "codec", "outcome"),
        )
        self._input_bytes = Tally(
            "ganpress_compressor_input_bytes", "Bytes of files that were compressed.", ("codec",)
        )
        self._output_bytes = Tally(
            "ganpress_compressor_output_bytes", "Bytes of the compressed files.", ("codec",)
        )
        self._ratio = Distribution(
            "ganpress_compressor_ratio",
            "Bytes of a file over those of its compressed one.",
            "codec",
            RATIO_BUCKETS,
        )
        self._encode = Distribution(
            "ganpress_compressor_encode_seconds",
            "Seconds to compress an image; with a goal, of the whole search.",
            "codec",
            SECONDS_BUCKETS,
        )
        self._decode = Distribution(
            "ganpress_compressor_decode_seconds",
            "Seconds to read an image that came in, by its format.",
            "format",
            SECONDS_BUCKETS,
        )

    def compressed(self, response: pb.CompressResponse) -> None:
        """Counts an image that was compressed."""
        codec, stats = response.codec, response.stats
        self._images.add("compress", codec, "ok")
        self._input_bytes.add(codec, amount=stats.input_bytes)
        self._output_bytes.add(codec, amount=stats.output_bytes)
        self._ratio.observe(codec, stats.ratio)
        self._encode.observe(codec, stats.encode_ms / 1000)
        self._decode.observe(response.input.format, stats.input_decode_ms / 1000)

    def decompressed(self, response: pb.DecompressResponse) -> None:
        """Counts a file that was decompressed."""
        self._images.add("decompress", response.codec, "ok")
        self._decode.observe(response.codec, response.decode_ms / 1000)

    def evaluated(self, response: pb.EvaluateResponse) -> None:
        """Counts a pair that was compared."""
        self._images.add("evaluate", response.codec, "ok")

    def failed(self, method: str) -> None:
        """Counts an image that was refused or broke."""
        self._images.add(method, "", "error")

    def collect(self) -> Iterable[Metric]:
        """Returns the metrics."""
        yield self._images.collect()
        yield self._input_bytes.collect()
        yield self._output_bytes.collect()
        yield self._ratio.collect()
        yield self._encode.collect()
        yield self._decode.collect()
        busy = GaugeMetricFamily("ganpress_compressor_workers_busy", "Workers that work.")
        busy.add_metric((), self._workers.busy)
        yield busy
        deaths = CounterMetricFamily(
            "ganpress_compressor_worker_deaths", "Processes that an image brought down."
        )
        deaths.add_metric((), self._workers.deaths)
        yield deaths

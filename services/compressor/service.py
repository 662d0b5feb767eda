"""The compressor service, put together."""

from __future__ import annotations

import logging
import time

from ganpress.v1.compressor_service_pb2 import DESCRIPTOR
from ganpress.v1.compressor_service_pb2_grpc import add_CompressorServiceServicer_to_server

from services.common.health import Health
from services.common.server import Api, Service
from services.compressor.errors import ERRORS
from services.compressor.metrics import CompressorMetrics
from services.compressor.servicer import CompressorServicer
from services.compressor.settings import CompressorSettings
from services.compressor.workers import Limits, ProcessWorkers, ThreadWorkers

logger = logging.getLogger(__name__)


def build_service(settings: CompressorSettings) -> Service:
    """Returns the service; its workers work from start to stop."""
    limits = Limits(settings.max_pixels, settings.max_seconds, settings.worker_memory_mb * 2**20)
    kind = ProcessWorkers if settings.isolation == "process" else ThreadWorkers
    workers = kind(
        settings.worker_count,
        limits,
        queue_size=settings.queue_size,
        queue_timeout_s=settings.queue_timeout_s,
    )
    metrics = CompressorMetrics(workers)
    servicer = CompressorServicer(workers, metrics, max_batch_images=settings.max_batch_images)

    async def start(_: Health) -> None:
        begun_s = time.perf_counter()
        await workers.start(prepare=settings.warm_up)
        logger.info("%d workers started in %.1f s", workers.count, time.perf_counter() - begun_s)

    async def stop() -> None:
        workers.stop()

    api = Api(
        DESCRIPTOR.services_by_name["CompressorService"],
        lambda server: add_CompressorServiceServicer_to_server(servicer, server),
        ERRORS,
        scope="compress",
    )
    return Service([api], start, stop, metrics=[workers.turns, metrics])

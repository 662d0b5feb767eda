"""The compressor service, put together."""

from __future__ import annotations

import logging

from ganpress.v1.compressor_service_pb2 import DESCRIPTOR
from ganpress.v1.compressor_service_pb2_grpc import add_CompressorServiceServicer_to_server

from services.common.health import Health
from services.common.server import Api, Service
from services.compressor.errors import ERRORS
from services.compressor.servicer import CompressorServicer
from services.compressor.settings import CompressorSettings
from services.compressor.warm_up import warm_up
from services.compressor.workers import Workers

logger = logging.getLogger(__name__)


def build_service(settings: CompressorSettings) -> Service:
    """Returns the service; its threads work from start to stop."""
    workers = Workers(
        settings.worker_count, queue_size=settings.queue_size, queue_timeout_s=settings.queue_timeout_s
    )
    servicer = CompressorServicer(workers, max_pixels=settings.max_pixels)

    async def start(_: Health) -> None:
        workers.start()
        if settings.warm_up:
            files, took_ms = await workers.run(warm_up)
            logger.info("warmed up with %d files in %.1f s", files, took_ms / 1000)

    async def stop() -> None:
        workers.stop()

    api = Api(
        DESCRIPTOR.services_by_name["CompressorService"],
        lambda server: add_CompressorServiceServicer_to_server(servicer, server),
        ERRORS,
        scope="compress",
    )
    return Service([api], start, stop, [workers.turns])

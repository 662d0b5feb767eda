"""The compressor service, put together."""

from __future__ import annotations

import numpy as np
from ganpress.v1.compressor_service_pb2 import DESCRIPTOR
from ganpress.v1.compressor_service_pb2_grpc import add_CompressorServiceServicer_to_server

from services.common.health import Health
from services.common.server import Api, Service
from services.compressor.codecs import decode, list_codecs, psnr, ssim
from services.compressor.errors import ERRORS
from services.compressor.servicer import CompressorServicer
from services.compressor.settings import CompressorSettings
from services.compressor.workers import Workers


def build_service(settings: CompressorSettings) -> Service:
    """Returns the service; its threads work from start to stop."""
    workers = Workers(settings.worker_count)
    servicer = CompressorServicer(workers, max_pixels=settings.max_pixels)

    async def start(_: Health) -> None:
        workers.start()
        if settings.warm_up:
            await workers.run(_try_codecs)

    async def stop() -> None:
        workers.stop()

    api = Api(
        DESCRIPTOR.services_by_name["CompressorService"],
        lambda server: add_CompressorServiceServicer_to_server(servicer, server),
        ERRORS,
    )
    return Service([api], start, stop)


def _try_codecs() -> None:
    """Compresses a small image with every codec: afterwards all libraries are loaded."""
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    for codec in list_codecs():
        decoded = decode(codec().encode(image))
        psnr(image, decoded)
        ssim(image, decoded)

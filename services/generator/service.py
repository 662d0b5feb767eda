"""The generator service, put together."""

from __future__ import annotations

import grpc
from ganpress.v1.generator_service_pb2 import DESCRIPTOR
from ganpress.v1.generator_service_pb2_grpc import add_GeneratorServiceServicer_to_server

from services.common.errors import StatusTable
from services.common.server import Service
from services.generator.batcher import BatcherClosedError, QueueFullError
from services.generator.errors import NoModelsError, RequestError, UnknownModelError
from services.generator.models import PACKAGED_MODELS
from services.generator.sampler import Sampler
from services.generator.servicer import GeneratorServicer
from services.generator.settings import GeneratorSettings

ERRORS: StatusTable = {
    RequestError: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownModelError: grpc.StatusCode.NOT_FOUND,
    QueueFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    BatcherClosedError: grpc.StatusCode.UNAVAILABLE,
    NoModelsError: grpc.StatusCode.FAILED_PRECONDITION,
}


def build_service(settings: GeneratorSettings) -> Service:
    """Returns the service; it loads its models when it is started."""
    sampler = Sampler(
        settings.models or PACKAGED_MODELS,
        default_model=settings.default_model,
        device=settings.device,
        threads=settings.worker_count,
        max_batch_size=settings.max_batch_size,
        queue_size=settings.queue_size,
        max_count=settings.max_count,
    )
    servicer = GeneratorServicer(sampler)
    return Service(
        full_name=DESCRIPTOR.services_by_name["GeneratorService"].full_name,
        add_to=lambda server: add_GeneratorServiceServicer_to_server(servicer, server),
        errors=ERRORS,
        start=sampler.start,
        stop=sampler.stop,
    )

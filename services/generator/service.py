"""The generator service, put together."""

from __future__ import annotations

from functools import partial

import grpc
from ganpress.inference.grpc_service_pb2 import DESCRIPTOR as INFERENCE_DESCRIPTOR
from ganpress.inference.grpc_service_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from ganpress.v1.generator_service_pb2 import DESCRIPTOR
from ganpress.v1.generator_service_pb2_grpc import add_GeneratorServiceServicer_to_server
from ganpress.v1.model_repository_service_pb2 import DESCRIPTOR as REPOSITORY_DESCRIPTOR
from ganpress.v1.model_repository_service_pb2_grpc import add_ModelRepositoryServiceServicer_to_server

from services.common.errors import StatusTable
from services.common.health import Health
from services.common.server import Api, Service
from services.generator.errors import (
    CorruptModelError,
    DeviceError,
    MissingRuntimeError,
    ModelControlError,
    NoModelsError,
    OutOfMemoryError,
    RepositoryError,
    RequestError,
    UnknownModelError,
)
from services.generator.inference.errors import ERRORS as INFERENCE_ERRORS
from services.generator.inference.metadata import Limits
from services.generator.inference.servicer import InferenceServicer
from services.generator.metrics import GeneratorMetrics
from services.generator.models import PACKAGED_MODELS
from services.generator.presence import Presence
from services.generator.repository import RegistryOptions, VersionPolicies
from services.generator.repository.servicer import ModelRepositoryServicer
from services.generator.sampler import Sampler
from services.generator.scheduling import ClosedError, QueueFullError, QueueTimeoutError
from services.generator.servicer import GeneratorServicer
from services.generator.settings import GeneratorSettings

ERRORS: StatusTable = {
    RequestError: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownModelError: grpc.StatusCode.NOT_FOUND,
    QueueFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    QueueTimeoutError: grpc.StatusCode.DEADLINE_EXCEEDED,
    ClosedError: grpc.StatusCode.UNAVAILABLE,
    NoModelsError: grpc.StatusCode.FAILED_PRECONDITION,
    CorruptModelError: grpc.StatusCode.FAILED_PRECONDITION,
    DeviceError: grpc.StatusCode.FAILED_PRECONDITION,
    MissingRuntimeError: grpc.StatusCode.FAILED_PRECONDITION,
    ModelControlError: grpc.StatusCode.PERMISSION_DENIED,
    RepositoryError: grpc.StatusCode.FAILED_PRECONDITION,
    OutOfMemoryError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def build_service(settings: GeneratorSettings) -> Service:
    """Returns the service; it loads its models when it is started."""
    metrics = GeneratorMetrics()
    sampler = Sampler(
        settings.models or PACKAGED_MODELS,
        cache=settings.model_cache,
        following=RegistryOptions(
            policies=VersionPolicies.parse(settings.versions),
            default_model=settings.default_model,
            watch_s=settings.watch_s if settings.models else 0,
            model_control=settings.model_control,
        ),
        runtime=settings.runtime,
        device=settings.device,
        device_required=settings.device_required,
        threads=settings.worker_count,
        max_batch_size=settings.max_batch_size,
        max_queue_delay_ms=settings.max_queue_delay_ms,
        queue_size=settings.queue_size,
        max_count=settings.max_count,
        observer=metrics,
    )
    inference = InferenceServicer(
        sampler,
        metrics,
        Limits(
            max_count=settings.max_count,
            max_batch_size=settings.max_batch_size,
            max_queue_delay_ms=settings.max_queue_delay_ms,
            queue_size=settings.queue_size,
            threads=settings.worker_count,
        ),
    )
    generator = Api(
        DESCRIPTOR.services_by_name["GeneratorService"],
        partial(
            add_GeneratorServiceServicer_to_server,
            GeneratorServicer(sampler, metrics, queue_size=settings.queue_size),
        ),
        ERRORS,
        scope="generate",
    )
    repository = Api(
        REPOSITORY_DESCRIPTOR.services_by_name["ModelRepositoryService"],
        partial(add_ModelRepositoryServiceServicer_to_server, ModelRepositoryServicer(sampler.registry)),
        ERRORS,
        scope="generate",
        admin=("LoadModel", "UnloadModel"),
    )
    open_inference = Api(
        INFERENCE_DESCRIPTOR.services_by_name["GRPCInferenceService"],
        partial(add_GRPCInferenceServiceServicer_to_server, inference),
        INFERENCE_ERRORS,
        always=("ServerLive", "ServerReady", "ServerMetadata"),
        scope="generate",
        admin=("RepositoryModelLoad", "RepositoryModelUnload", "TraceSetting", "LogSettings"),
    )

    async def start(health: Health) -> None:
        sampler.registry.subscribe(Presence(generator.descriptor.full_name, health, metrics))
        inference.is_ready = partial(health.serving, "")
        metrics.runners = lambda: sampler.registry.runners
        await sampler.start()

    return Service([generator, repository, open_inference], start, sampler.stop, [metrics])

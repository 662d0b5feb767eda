"""The Open Inference Protocol's service."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
from ganpress.inference import grpc_service_pb2 as pb
from ganpress.inference.grpc_service_pb2_grpc import GRPCInferenceServiceServicer

from services.common import deadlines
from services.common.access import charge
from services.common.errors import status_of
from services.common.streams import in_order
from services.common.version import GANPRESS_VERSION
from services.generator.errors import RequestError
from services.generator.inference.asked import Asked
from services.generator.inference.errors import ERRORS, UnsupportedError
from services.generator.inference.metadata import Limits, model_config, model_metadata
from services.generator.inference.reports import index_entry, statistics_of
from services.generator.inference.tensors import add_output
from services.generator.messages import caller_of
from services.generator.metrics import GeneratorMetrics
from services.generator.models import VERSION_PATTERN
from services.generator.sampler import Sampler
from services.generator.served import Drawn, Wanted

logger = logging.getLogger(__name__)

EXTENSIONS = ("model_configuration", "model_repository", "parameters", "schedule_policy", "statistics")
"""The protocol's extensions that are implemented, as Triton names them."""

_STREAM_WINDOW = 64  # requests of a stream that are under way at a time
_NO_SHARED_MEMORY = "shared memory is not supported: send tensors in the request"
_NO_REPOSITORY_NAME = "there is one model repository and it has no name: leave repository_name empty"


class InferenceServicer(GRPCInferenceServiceServicer):
    """Answers for a sampler."""

    def __init__(self, sampler: Sampler, metrics: GeneratorMetrics, limits: Limits) -> None:
        """Takes a sampler that is started before any call but `ServerLive` and `ServerReady`."""
        self._sampler = sampler
        self._registry = sampler.registry
        self._metrics = metrics
        self._limits = limits
        self.is_ready: Callable[[], bool] = lambda: False
        """Tells whether the server answers other calls."""

    async def ServerLive(self, request: pb.ServerLiveRequest, context: Any) -> pb.ServerLiveResponse:
        """Answers while the server runs."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, context: Any) -> pb.ServerReadyResponse:
        """Tells whether the models are loaded and warmed up."""
        return pb.ServerReadyResponse(ready=self.is_ready())

    async def ModelReady(self, request: pb.ModelReadyRequest, context: Any) -> pb.ModelReadyResponse:
        """Tells whether a model is served; one that does not exist is not."""
        version = _version(request.version)
        served = {model.version for model in self._sampler.catalogue.models if model.name == request.name}
        return pb.ModelReadyResponse(ready=version in served if version else bool(served))

    async def ServerMetadata(
        self, request: pb.ServerMetadataRequest, context: Any
    ) -> pb.ServerMetadataResponse:
        """Tells what this is."""
        return pb.ServerMetadataResponse(name="ganpress", version=GANPRESS_VERSION, extensions=EXTENSIONS)

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: Any) -> pb.ModelMetadataResponse:
        """Returns a model's tensors."""
        catalogue = self._sampler.catalogue
        model = catalogue.find(request.name, _version(request.version))
        return model_metadata(
            model, [other.version for other in catalogue.models if other.name == model.name]
        )

    async def ModelConfig(self, request: pb.ModelConfigRequest, context: Any) -> pb.ModelConfigResponse:
        """Returns how a model is served."""
        served = self._sampler.served(request.name, _version(request.version))
        return pb.ModelConfigResponse(config=model_config(served, self._limits))

    async def ModelInfer(self, request: pb.ModelInferRequest, context: Any) -> pb.ModelInferResponse:
        """Draws images."""
        return await self._infer(request, caller_of(context))

    async def ModelStreamInfer(
        self, request_iterator: AsyncIterator[pb.ModelInferRequest], context: Any
    ) -> AsyncIterator[pb.ModelStreamInferResponse]:
        """Draws images for each request.

        A failing request is answered by a message; with the metadata `triton_grpc_error: true` it ends the
        stream with its status.
        """
        caller = caller_of(context)
        ends_on_error = ("triton_grpc_error", "true") in (context.invocation_metadata() or ())

        async def answer(request: pb.ModelInferRequest) -> pb.ModelStreamInferResponse:
            try:
                response = await self._infer(request, caller)
            except Exception as error:
                if ends_on_error:
                    raise
                failed = pb.ModelInferResponse(
                    id=request.id, model_name=request.model_name, model_version=request.model_version
                )
                failed.parameters["triton_final_response"].bool_param = True
                return pb.ModelStreamInferResponse(error_message=_told(error), infer_response=failed)
            response.parameters["triton_final_response"].bool_param = True
            return pb.ModelStreamInferResponse(infer_response=response)

        async with aclosing(in_order(request_iterator, answer, _STREAM_WINDOW)) as answers:
            async for message in answers:
                yield message

    async def ModelStatistics(
        self, request: pb.ModelStatisticsRequest, context: Any
    ) -> pb.ModelStatisticsResponse:
        """Returns what the served versions of a model did, or of all models."""
        version, catalogue = _version(request.version), self._sampler.catalogue
        if request.name:
            catalogue.find(request.name, version)  # refuses what does not exist
        return pb.ModelStatisticsResponse(
            model_stats=[
                statistics_of(model, self._metrics.statistics.of(f"{model.name}/{model.version}"))
                for model in catalogue.models
                if request.name in {"", model.name} and version in {0, model.version}
            ]
        )

    async def RepositoryIndex(
        self, request: pb.RepositoryIndexRequest, context: Any
    ) -> pb.RepositoryIndexResponse:
        """Lists what is in the repository and in memory."""
        _refuse(request.repository_name, _NO_REPOSITORY_NAME)
        index = await self._registry.index()
        entries = [index_entry(status) for status in index.versions]
        return pb.RepositoryIndexResponse(
            models=[entry for entry in entries if not request.ready or entry.state == "READY"]
        )

    async def RepositoryModelLoad(
        self, request: pb.RepositoryModelLoadRequest, context: Any
    ) -> pb.RepositoryModelLoadResponse:
        """Loads what the version policy chooses of a model."""
        _refuse(request.repository_name, _NO_REPOSITORY_NAME)
        _refuse(
            min(request.parameters, default=""),
            "a model is loaded as it lies in the repository: no parameters",
        )
        await self._registry.load(request.model_name)
        return pb.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(
        self, request: pb.RepositoryModelUnloadRequest, context: Any
    ) -> pb.RepositoryModelUnloadResponse:
        """Unloads all versions of a model; no model depends on another."""
        _refuse(request.repository_name, _NO_REPOSITORY_NAME)
        await self._registry.unload(request.model_name)
        return pb.RepositoryModelUnloadResponse()

    async def SystemSharedMemoryStatus(self, request: Any, context: Any) -> NoReturn:
        """Not supported."""
        raise UnsupportedError(_NO_SHARED_MEMORY)

    SystemSharedMemoryRegister = SystemSharedMemoryUnregister = SystemSharedMemoryStatus
    CudaSharedMemoryStatus = CudaSharedMemoryRegister = CudaSharedMemoryUnregister = SystemSharedMemoryStatus

    async def TraceSetting(self, request: Any, context: Any) -> NoReturn:
        """Not supported."""
        raise UnsupportedError("traces are not supported: metrics and logs are")

    async def LogSettings(self, request: Any, context: Any) -> NoReturn:
        """Not supported."""
        raise UnsupportedError("logs are set when the server is started: log_level and log_format")

    async def _infer(self, request: pb.ModelInferRequest, caller: str) -> pb.ModelInferResponse:
        arrived_s = time.perf_counter()
        remaining_s = deadlines.left_s()
        with self._registry.find(request.model_name, _version(request.model_version)) as lease:
            served = lease.runner
            lane = f"{served.model.name}/{served.model.version}"
            asked = Asked.of(request, served, caller, self._limits.max_count)
            self._metrics.statistics.input_read(lane, time.perf_counter() - arrived_s)
            with served.draw(
                Wanted(asked.draws, asked.as_pixels),
                asked.rows,
                replace(asked.ticket, remaining_s=remaining_s, charge=charge),
                whole=True,
            ) as job:
                parts = [drawn async for drawn in job]
        drawn_s = time.perf_counter()
        response = pb.ModelInferResponse(
            id=request.id, model_name=served.model.name, model_version=str(served.model.version)
        )
        _add_parameters(response, asked, served.model.digest)
        for name in asked.outputs:
            add_output(response, name, _rows_of(parts, name))
        self._metrics.encoded(lane, "uint8" if asked.as_pixels else "fp32", time.perf_counter() - drawn_s)
        return response


def _add_parameters(response: pb.ModelInferResponse, asked: Asked, digest: str) -> None:
    """Tells what names the images: the digest, and the seed and truncation of what was made from a seed."""
    parameters, draws = response.parameters, asked.draws
    parameters["digest"].string_param = digest
    if draws.image_seeds:
        seed = draws.image_seeds[0]
        if seed < 2**63:
            parameters["seed"].int64_param = seed
        else:
            parameters["seed"].uint64_param = seed
        if draws.z is None:
            parameters["truncation"].double_param = draws.truncation


def _rows_of(parts: Sequence[Drawn], output: str) -> Sequence[Any]:
    if output == "image":
        return [part.images for part in parts]
    return [np.ascontiguousarray(part.labels).reshape(len(part.labels), -1) for part in parts]


def _version(text: str) -> int:
    """Returns the version that a text names, 0 for the newest."""
    if text and not VERSION_PATTERN.fullmatch(text):
        raise RequestError(f"version has to be a number from 1 on, or empty for the newest, not {text!r}")
    return int(text or 0)


def _refuse(given: str, sentence: str) -> None:
    if given:
        raise UnsupportedError(f"{given!r} cannot be asked for: {sentence}")


def _told(error: Exception) -> str:
    if status_of(error, ERRORS):
        return str(error)
    logger.error("a request of ModelStreamInfer failed", exc_info=error)
    return "internal error"

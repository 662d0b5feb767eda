"""Calls of the generator."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING

from ganpress.inference.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from ganpress.v1.generator_service_pb2 import (
    GeneratedImage,
    GenerateStreamRequest,
    GeneratorServiceGetLimitsRequest,
    GetModelRequest,
    GetModelResponse,
    ListModelsRequest,
    ListModelsResponse,
    ModelRuntime,
    ModelSummary,
)
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from ganpress.v1.limits_pb2 import Limits
from ganpress.v1.model_card_pb2 import ModelCard
from ganpress.v1.model_repository_service_pb2 import (
    ListModelVersionsRequest,
    ListModelVersionsResponse,
    LoadModelRequest,
    LoadModelResponse,
    UnloadModelRequest,
    UnloadModelResponse,
)
from ganpress.v1.model_repository_service_pb2_grpc import ModelRepositoryServiceStub

from client.connections import Connections, answered, next_answer
from client.generation import FileFormat, Priority, check_range, generate_request

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from services.compressor.codecs.seed import Origin


class GeneratorCalls(Connections):
    """The generator's methods of `GanpressClient`."""

    _models: Sequence[ModelSummary] = ()

    async def list_models(self) -> ListModelsResponse:
        """Returns the models of the generator and the limits of a request."""
        connection = await self.connect("generator")
        stub = GeneratorServiceStub(connection.channel)
        return await answered(stub.ListModels(ListModelsRequest(), timeout=self.timeout_s), connection.peer)

    async def generator_limits(self) -> Limits:
        """Returns the limits of the generator for this caller."""
        connection = await self.connect("generator")
        call = GeneratorServiceStub(connection.channel).GetLimits(
            GeneratorServiceGetLimitsRequest(), timeout=self.timeout_s
        )
        return (await answered(call, connection.peer)).limits

    async def get_model(self, name: str, version: int = 0) -> ModelCard:
        """Returns a model's card; version 0 is the newest."""
        return (await self._get_model(name, version)).card

    async def get_runtime(self, name: str, version: int = 0) -> ModelRuntime:
        """Returns what computes a model's images; servers with the same probe digest draw the same ones."""
        return (await self._get_model(name, version)).runtime

    async def model_versions(self) -> ListModelVersionsResponse:
        """Returns all versions in the generator's model repository, with their states and why."""
        connection = await self.connect("generator")
        stub = ModelRepositoryServiceStub(connection.channel)
        call = stub.ListModelVersions(ListModelVersionsRequest(), timeout=self.timeout_s)
        return await answered(call, connection.peer)

    async def load_model(self, name: str, version: int = 0) -> LoadModelResponse:
        """Loads a version, or with 0 what the generator's version policy chooses; it is served then."""
        connection = await self.connect("generator")
        stub = ModelRepositoryServiceStub(connection.channel)
        request = LoadModelRequest(name=name, version=version)
        return await answered(stub.LoadModel(request, timeout=self.timeout_s), connection.peer)

    async def unload_model(self, name: str, version: int = 0) -> UnloadModelResponse:
        """Lets the generator serve a version, or with 0 a model, no longer; running calls end well."""
        connection = await self.connect("generator")
        stub = ModelRepositoryServiceStub(connection.channel)
        request = UnloadModelRequest(name=name, version=version)
        return await answered(stub.UnloadModel(request, timeout=self.timeout_s), connection.peer)

    async def generate(
        self,
        *,
        model: str = "",
        model_version: int = 0,
        label: str = "",
        label_mix: Mapping[str, float] | None = None,
        count: int = 1,
        seed: int | None = None,
        seeds: Sequence[int] = (),
        to_seed: int | None = None,
        truncation: float | None = None,
        file_format: FileFormat = "png",
        quality: int | None = None,
        priority: Priority = "normal",
    ) -> AsyncGenerator[GeneratedImage]:
        """Draws images as files, in their order.

        Args:
            model: Model name; empty takes the one that has the label, or the server's default.
            model_version: Model version; 0 is the newest.
            label: Label for a conditional model; empty draws one from each image's seed.
            label_mix: Weights of several labels in place of one, for models that mix labels.
            count: How many images.
            seed: Seed of the first image, 0 to 2^64 - 1; image i has seed + i. None: drawn by the server.
            seeds: Seed of each image, in place of `seed` and `count`.
            to_seed: Draws `count` images on the way from `seed` to this one.
            truncation: Factor on the latent vector, above 0 and at most 1; None: 1.
            file_format: Format of the files.
            quality: Quality of JPEG and WebP, 1 to 100; None: 90.
            priority: Rank among the requests that wait for the server.
        """
        request = generate_request(
            model=model,
            model_version=model_version,
            label=label,
            label_mix=label_mix,
            count=count,
            seed=seed,
            seeds=seeds,
            to_seed=to_seed,
            truncation=truncation,
            file_format=file_format,
            quality=quality,
            priority=priority,
        )
        connection = await self.connect("generator")
        stub = GeneratorServiceStub(connection.channel)
        if request.count == 1:  # one answer costs less than a stream
            answer = await answered(stub.Generate(request, timeout=self.timeout_s), connection.peer)
            for image in answer.images:
                yield image
            return
        call = stub.GenerateStream(GenerateStreamRequest(request=request))
        try:
            while response := await next_answer(call, connection.peer, self.timeout_s):
                for image in response.images:
                    yield image
        finally:
            call.cancel()

    async def regenerate(self, origin: Origin) -> NDArray[np.float32]:
        """Returns a generated image's samples before rounding, [H, W, C], nominally 0..255."""
        from client.regeneration import infer_request, model_of, samples_of

        if not any(model.digest.startswith(origin.model_digest) for model in self._models):
            self._models = (await self.list_models()).models
        request = infer_request(origin, model_of(origin, self._models))
        connection = await self.connect("generator")
        call = GRPCInferenceServiceStub(connection.channel).ModelInfer(request, timeout=self.timeout_s)
        return samples_of(await answered(call, connection.peer))

    async def _get_model(self, name: str, version: int) -> GetModelResponse:
        check_range("version", version, 0, 2**32 - 1)
        connection = await self.connect("generator")
        request = GetModelRequest(name=name, version=version)
        call = GeneratorServiceStub(connection.channel).GetModel(request, timeout=self.timeout_s)
        return await answered(call, connection.peer)

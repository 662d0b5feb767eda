"""The generator's protobuf API."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceServicer
from ganpress.v1.image_pb2 import ImageSize

from services.common.access import pace
from services.common.limits import limits_for_caller
from services.common.version import GANPRESS_VERSION
from services.generator.engine import instruction_set
from services.generator.messages import Form, for_messages, images_per_message, sample_request, ticket
from services.generator.metrics import GeneratorMetrics
from services.generator.models import Model
from services.generator.requests import Samples
from services.generator.runtimes import precision
from services.generator.sampler import Sampler


class GeneratorServicer(GeneratorServiceServicer):
    """Answers for a sampler."""

    def __init__(self, sampler: Sampler, metrics: GeneratorMetrics, *, queue_size: int) -> None:
        """Takes a sampler that is started before the first call, and the size of its queues."""
        self._sampler = sampler
        self._queue_size = queue_size
        self._metrics = metrics

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        """Lists the models."""
        engine = self._sampler.engine
        return pb.ListModelsResponse(
            models=[_summary(model) for model in self._sampler.catalogue.models],
            runtime=pb.GeneratorRuntime(
                execution_provider=engine.provider if engine else "",
                onnxruntime_version=onnxruntime.__version__,
                max_count=self._sampler.max_count,
                ganpress_version=GANPRESS_VERSION,
                runtime=engine.runtime if engine else "",
                runtime_version=engine.version if engine else "",
            ),
            default_model=self._sampler.catalogue.default_model,
        )

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.GetModelResponse:
        """Returns a model's card and runtime."""
        served = self._sampler.served(request.name, request.version)
        runtime = pb.ModelRuntime(
            execution_provider=served.engine.provider,
            onnxruntime_version=onnxruntime.__version__,
            instruction_set=instruction_set(),
            probe_digest=served.probe_digest,
            mixes_labels=served.engine.mixes_labels,
            runtime=served.engine.runtime,
            runtime_version=served.engine.version,
            precision=precision(served.model),
            batch_invariant=served.engine.batch_invariant,
        )
        return pb.GetModelResponse(card=served.model.card, runtime=runtime)

    async def GetLimits(
        self, request: pb.GeneratorServiceGetLimitsRequest, context: Any
    ) -> pb.GeneratorServiceGetLimitsResponse:
        """Tells the limits."""
        limits = limits_for_caller(max_images=self._sampler.max_count, queue_size=self._queue_size)
        return pb.GeneratorServiceGetLimitsResponse(limits=limits)

    async def Generate(self, request: pb.GenerateRequest, context: Any) -> pb.GenerateResponse:
        """Draws images for one answer."""
        form = Form.of(request)
        samples = await self._sampler.draw(
            sample_request(request), ticket(request, context), most=images_per_message
        )
        return pb.GenerateResponse(images=await self._images(form, samples))

    async def GenerateStream(
        self, request: pb.GenerateStreamRequest, context: Any
    ) -> AsyncIterator[pb.GenerateStreamResponse]:
        """Streams images."""
        form = Form.of(request.request)
        batches = self._sampler.sample(sample_request(request.request), ticket(request.request, context))
        async with aclosing(batches):
            async for batch in batches:
                for samples in for_messages(batch):
                    count, height_px, width_px, _ = samples.pixels.shape
                    await pace(count, count * height_px * width_px)
                    yield pb.GenerateStreamResponse(images=await self._images(form, samples))

    async def _images(self, form: Form, samples: Samples) -> list[pb.GeneratedImage]:
        begun_s = time.perf_counter()
        images = await form.images(samples)
        version = f"{samples.provenances[0].model}/{samples.provenances[0].version}"
        self._metrics.encoded(version, form.file_format or "raw", time.perf_counter() - begun_s)
        return images


def _summary(model: Model) -> pb.ModelSummary:
    card = model.card
    size = ImageSize(width_px=card.image_size_px, height_px=card.image_size_px, channels=card.channels)
    return pb.ModelSummary(
        name=card.name,
        version=card.version,
        digest=card.onnx_sha256,
        labels=card.labels,
        size=size,
        description=card.description,
    )

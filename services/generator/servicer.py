"""The generator's protobuf API: messages to requests, images to messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceServicer
from ganpress.v1.image_pb2 import (
    IMAGE_FORMAT_PNG,
    IMAGE_FORMAT_RAW_U8,
    IMAGE_FORMAT_UNSPECIFIED,
    ImageFormat,
    ImageSize,
)

from services.common.version import GANPRESS_VERSION
from services.generator.errors import RequestError
from services.generator.images import encode_png
from services.generator.models import Model
from services.generator.sampler import Sample, Sampler, SampleRequest

_MESSAGE_BYTES = 1_000_000  # above it, copies cost more than messages do
_OVERHEAD_BYTES = 1024  # of an image's fields and text chunks, with room for PNG's own


class GeneratorServicer(GeneratorServiceServicer):
    """Answers for a sampler."""

    def __init__(self, sampler: Sampler) -> None:
        """Takes a sampler that is started before the first call."""
        self._sampler = sampler

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        """Lists the models."""
        return pb.ListModelsResponse(
            models=[_summary(model) for model in self._sampler.catalogue.models],
            runtime=pb.GeneratorRuntime(
                execution_provider=self._sampler.provider,
                onnxruntime_version=onnxruntime.__version__,
                max_count=self._sampler.max_count,
                ganpress_version=GANPRESS_VERSION,
            ),
            default_model=self._sampler.catalogue.default_model,
        )

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.GetModelResponse:
        """Returns a model's card."""
        return pb.GetModelResponse(card=self._sampler.catalogue.find(request.name, request.version).card)

    async def Generate(self, request: pb.GenerateRequest, context: Any) -> AsyncIterator[pb.GenerateResponse]:
        """Streams images."""
        image_format = _image_format(request.format)
        async with aclosing(_messages(self._sampler.sample(_sample_request(request)))) as messages:
            async for samples in messages:
                yield await asyncio.to_thread(_response, samples, image_format)


async def _messages(samples: AsyncGenerator[Sample]) -> AsyncGenerator[list[Sample]]:
    """Yields the samples in lists for messages of at most about `_MESSAGE_BYTES`."""
    message: list[Sample] = []
    async with aclosing(samples):
        async for sample in samples:
            message.append(sample)
            if (len(message) + 1) * (sample.pixels.nbytes * 1.02 + _OVERHEAD_BYTES) > _MESSAGE_BYTES:
                yield message
                message = []
    if message:
        yield message


def _response(samples: Sequence[Sample], image_format: ImageFormat.ValueType) -> pb.GenerateResponse:
    return pb.GenerateResponse(images=[_image(sample, image_format) for sample in samples])


def _image(sample: Sample, image_format: ImageFormat.ValueType) -> pb.GeneratedImage:
    height_px, width_px, channels = sample.pixels.shape
    provenance = sample.provenance
    raw = image_format == IMAGE_FORMAT_RAW_U8
    return pb.GeneratedImage(
        data=sample.pixels.tobytes() if raw else encode_png(sample.pixels, provenance),
        format=image_format,
        size=ImageSize(width_px=width_px, height_px=height_px, channels=channels),
        seed=provenance.seed,
        label=provenance.label,
        truncation=provenance.truncation,
        model=provenance.model,
        model_version=provenance.version,
        model_digest=provenance.digest,
    )


def _sample_request(request: pb.GenerateRequest) -> SampleRequest:
    return SampleRequest(
        model=request.model,
        version=request.model_version,
        label=request.label,
        count=request.count,
        seed=request.seed if request.HasField("seed") else None,
        truncation=request.truncation if request.HasField("truncation") else 1.0,
    )


def _image_format(requested: ImageFormat.ValueType) -> ImageFormat.ValueType:
    if requested == IMAGE_FORMAT_UNSPECIFIED:
        return IMAGE_FORMAT_PNG
    if requested not in {IMAGE_FORMAT_PNG, IMAGE_FORMAT_RAW_U8}:
        raise RequestError(f"format {requested} is not known: IMAGE_FORMAT_PNG and IMAGE_FORMAT_RAW_U8 are")
    return requested


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

"""The compressor's protobuf API: each call becomes one job or many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from ganpress.v1 import codec_pb2
from ganpress.v1 import compressor_service_pb2 as pb
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceServicer

from services.common.access import charge, note, pace
from services.common.limits import limits_for_caller
from services.common.server import MAX_MESSAGE_BYTES
from services.common.streams import in_order
from services.common.version import GANPRESS_VERSION
from services.compressor.codecs import Codec, FileCodec, list_codecs, list_file_codecs
from services.compressor.errors import (
    OverloadedImageError,
    RequestError,
    ResultTooLargeError,
    WorkerDiedError,
)
from services.compressor.failures import failure
from services.compressor.goals import DEFAULT_CANDIDATES, setting_of
from services.compressor.inputs import MAX_FRAMES, input_formats
from services.compressor.metrics import CompressorMetrics
from services.compressor.workers import Workers

_SMALLEST_PART = 8  # images of a batch for one job: a job costs as much as a tiny image
_PARTS_A_WORKER = 2  # so that workers end at about the same time, though images differ


class CompressorServicer(CompressorServiceServicer):
    """Compresses with workers."""

    def __init__(self, workers: Workers, metrics: CompressorMetrics, *, max_batch_images: int) -> None:
        """Takes who works, what counts, and the most images of a batch."""
        self._workers = workers
        self._metrics = metrics
        self._max_batch_images = max_batch_images

    async def ListCodecs(self, request: pb.ListCodecsRequest, context: Any) -> pb.ListCodecsResponse:
        """Lists the codecs."""
        return pb.ListCodecsResponse(
            codecs=[_codec_info(codec) for codec in (*list_codecs(), *list_file_codecs())],
            max_pixels=self._workers.limits.max_pixels,
            max_message_bytes=MAX_MESSAGE_BYTES,
            ganpress_version=GANPRESS_VERSION,
            max_batch_images=self._max_batch_images,
            input_formats=input_formats(),
        )

    async def GetLimits(
        self, request: pb.CompressorServiceGetLimitsRequest, context: Any
    ) -> pb.CompressorServiceGetLimitsResponse:
        """Tells the limits."""
        turns = self._workers.turns
        limits = limits_for_caller(
            max_pixels=self._workers.limits.max_pixels,
            max_frames=MAX_FRAMES,
            max_images=self._max_batch_images,
            max_cpu_s=self._workers.limits.max_seconds,
            worker_memory_bytes=self._workers.limits.memory_bytes,
            queue_size=turns.max_waiting,
            queue_timeout_s=turns.max_wait_s,
        )
        return pb.CompressorServiceGetLimitsResponse(limits=limits)

    async def Compress(self, request: pb.CompressRequest, context: Any) -> pb.CompressResponse:
        """Compresses one image."""
        charge(1, 0)
        return await self._compress(request)

    async def CompressBatch(self, request: pb.CompressBatchRequest, context: Any) -> pb.CompressBatchResponse:
        """Compresses many images, on all workers."""
        images = request.images
        if len(images) > self._max_batch_images:
            raise RequestError(f"a batch has at most {self._max_batch_images} images, not {len(images)}")
        charge(len(images), 0)
        most = max(_SMALLEST_PART, -(-len(images) // (_PARTS_A_WORKER * self._workers.count)))
        starts = range(0, len(images), most)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._part(request, images[start : start + most], refusable=not start))
                    for start in starts
                ]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        parts = [part for task in tasks for part in task.result()]
        response = pb.CompressBatchResponse()
        for part in parts:
            response.MergeFromString(part)
        pixels = 0
        for answer in response.answers:
            if answer.HasField("response"):
                self._metrics.compressed(answer.response)
                pixels += _pixels_of(answer.response)
            else:
                self._metrics.failed("compress")
        note(0, pixels)
        if (size_bytes := sum(map(len, parts))) > MAX_MESSAGE_BYTES:
            raise ResultTooLargeError(
                f"the batch's answers have {size_bytes} bytes, more than a message of {MAX_MESSAGE_BYTES} "
                "bytes holds: send fewer images at a time"
            )
        return response

    async def CompressStream(
        self, request_iterator: AsyncIterator[pb.CompressStreamRequest], context: Any
    ) -> AsyncIterator[pb.CompressStreamResponse]:
        """Compresses a stream of images; at most twice as many as there are workers are under way."""

        async def answer(request: pb.CompressStreamRequest) -> pb.CompressStreamResponse:
            result = await _outcome(self._compress, request.request)
            if isinstance(result, pb.StreamError):
                return pb.CompressStreamResponse(key=request.key, error=result)
            return pb.CompressStreamResponse(key=request.key, response=result)

        async with aclosing(in_order(request_iterator, answer, 2 * self._workers.count)) as answers:
            async for one in answers:
                yield one

    async def Decompress(self, request: pb.DecompressRequest, context: Any) -> pb.DecompressResponse:
        """Gives an image back."""
        charge(1, 0)
        return await self._decompress(request)

    async def DecompressStream(
        self, request_iterator: AsyncIterator[pb.DecompressStreamRequest], context: Any
    ) -> AsyncIterator[pb.DecompressStreamResponse]:
        """Decompresses a stream of files; as many are under way as in `CompressStream`."""

        async def answer(request: pb.DecompressStreamRequest) -> pb.DecompressStreamResponse:
            result = await _outcome(self._decompress, request.request)
            if isinstance(result, pb.StreamError):
                return pb.DecompressStreamResponse(key=request.key, error=result)
            return pb.DecompressStreamResponse(key=request.key, response=result)

        async with aclosing(in_order(request_iterator, answer, 2 * self._workers.count)) as answers:
            async for one in answers:
                yield one

    async def Evaluate(self, request: pb.EvaluateRequest, context: Any) -> pb.EvaluateResponse:
        """Measures what was lost."""
        charge(1, 0)
        response = await self._counted("evaluate", request)
        self._metrics.evaluated(response)
        note(0, 2 * response.size.width_px * response.size.height_px)
        return response

    async def _compress(self, request: pb.CompressRequest, *, refusable: bool = True) -> pb.CompressResponse:
        response = await self._counted("compress", request, refusable=refusable)
        self._metrics.compressed(response)
        note(0, _pixels_of(response))
        return response

    async def _decompress(
        self, request: pb.DecompressRequest, *, refusable: bool = True
    ) -> pb.DecompressResponse:
        response = await self._counted("decompress", request, refusable=refusable)
        self._metrics.decompressed(response)
        note(0, response.size.width_px * response.size.height_px)
        return response

    async def _counted(self, job: str, request: Any, *, refusable: bool = True) -> Any:
        try:
            return await self._workers.run(job, request, refusable=refusable)
        except Exception:
            self._metrics.failed(job)
            raise

    async def _part(
        self, request: pb.CompressBatchRequest, images: Sequence[pb.BatchImage], *, refusable: bool = False
    ) -> Sequence[bytes]:
        """Returns the answers to a part of a batch, as parts of a CompressBatchResponse.

        An image that brings a worker down fails alone.
        """
        part = pb.CompressBatchRequest(images=images, options=request.options)
        part.skip_metrics = request.skip_metrics
        if request.HasField("goal"):
            part.goal.CopyFrom(request.goal)
        if request.HasField("input"):
            part.input.CopyFrom(request.input)
        try:
            return [await self._workers.run("compress_batch", part, refusable=refusable)]
        except (WorkerDiedError, OverloadedImageError) as error:
            if len(images) == 1:
                answer = pb.CompressStreamResponse(key=images[0].key, error=failure(error))
                return [pb.CompressBatchResponse(answers=[answer]).SerializeToString()]
        half = len(images) // 2
        first = await self._part(request, images[:half])
        return [*first, *await self._part(request, images[half:])]


def _pixels_of(response: pb.CompressResponse) -> int:
    stats = response.stats
    return stats.size.width_px * stats.size.height_px * stats.frames


async def _outcome(work: Callable[..., Awaitable[Any]], request: Any) -> Any:
    """Returns the answer to a member of a stream, or the error that does not end the stream."""
    try:
        await pace(1, 0)
        return await work(request, refusable=False)
    except Exception as error:  # noqa: BLE001
        return failure(error)


def _codec_info(codec: type[Codec]) -> codec_pb2.CodecInfo:
    setting = setting_of(codec)
    return codec_pb2.CodecInfo(
        name=codec.id,
        technique=codec.technique,
        description=codec.description,
        media_type=codec.media_type,
        file_extension=codec.file_extension,
        lossless=codec.is_lossless,
        input_media_type=codec.input_media_type if issubclass(codec, FileCodec) else "",
        parameters=[
            codec_pb2.CodecParameter(
                name=parameter.name,
                accepts=parameter.accepts,
                default_value=parameter.default,
                description=parameter.description,
            )
            for parameter in codec.parameters()
        ],
        goal_setting=setting.name if setting else "",
        keeps_metadata=codec.keeps_metadata,
        keeps_frames=codec.keeps_frames,
        keeps_transparency=4 in codec.channels,
        is_tried_by_default=codec.id in DEFAULT_CANDIDATES,
    )

"""The compressor's protobuf API: messages to images and codecs, files to messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc
from ganpress.v1 import codec_pb2
from ganpress.v1 import compressor_service_pb2 as pb
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceServicer
from ganpress.v1.image_pb2 import (
    IMAGE_FORMAT_PNG,
    IMAGE_FORMAT_RAW_U8,
    IMAGE_FORMAT_UNSPECIFIED,
    ImageFormat,
    ImageSize,
)
from ganpress.v1.input_pb2 import InputOptions

from services.common.access import charge, note, pace
from services.common.errors import status_of
from services.common.limits import limits_for_caller
from services.common.server import MAX_MESSAGE_BYTES
from services.common.streams import in_order
from services.common.version import GANPRESS_VERSION
from services.compressor.codecs import (
    Codec,
    FileCodec,
    MissingPackageError,
    Pixels,
    bits_per_pixel,
    container,
    decode,
    get_codec,
    identify,
    list_codecs,
    list_file_codecs,
    ms_ssim,
    psnr,
    psnr_y,
    resized,
    ssim,
    ssimulacra2,
)
from services.compressor.errors import ERRORS, RequestError, ResultTooLargeError
from services.compressor.options import codec_from
from services.compressor.workers import Workers

logger = logging.getLogger(__name__)

_OTHER_FIELDS_BYTES = 4096  # of a message around its image, names and keys of usual length included


class CompressorServicer(CompressorServiceServicer):
    """Compresses on a pool of threads."""

    def __init__(self, workers: Workers, *, max_pixels: int) -> None:
        """Takes the pool and the most pixels that an image may have."""
        self._workers = workers
        self._max_pixels = max_pixels

    async def ListCodecs(self, request: pb.ListCodecsRequest, context: Any) -> pb.ListCodecsResponse:
        """Lists the codecs."""
        return pb.ListCodecsResponse(
            codecs=[_codec_info(codec) for codec in (*list_codecs(), *list_file_codecs())],
            max_pixels=self._max_pixels,
            max_message_bytes=MAX_MESSAGE_BYTES,
            ganpress_version=GANPRESS_VERSION,
        )

    async def GetLimits(
        self, request: pb.CompressorServiceGetLimitsRequest, context: Any
    ) -> pb.CompressorServiceGetLimitsResponse:
        """Tells the limits."""
        turns = self._workers.turns
        limits = limits_for_caller(
            max_pixels=self._max_pixels, queue_size=turns.max_waiting, queue_timeout_s=turns.max_wait_s
        )
        return pb.CompressorServiceGetLimitsResponse(limits=limits)

    async def Compress(self, request: pb.CompressRequest, context: Any) -> pb.CompressResponse:
        """Compresses one image."""
        charge(1, 0)
        return await self._compress(request)

    async def Decompress(self, request: pb.DecompressRequest, context: Any) -> pb.DecompressResponse:
        """Gives an image back."""
        return await self._decompress(request)

    async def _decompress(self, request: pb.DecompressRequest) -> pb.DecompressResponse:
        image_format = _image_format(request.format)
        run, limit = self._workers.run, self._max_pixels
        charge(1, 0)
        async with self._workers.slot():
            codec_id, _ = await run(identify, request.data)
            file_codec = _file_codec(codec_id) if request.restore_file else None
            if file_codec:
                data, decode_ms = await run(file_codec.restore_file, request.data, max_pixels=limit)
                image_format = IMAGE_FORMAT_UNSPECIFIED
                media_type, extension = file_codec.input_media_type, file_codec.input_file_extension
                held = container.unpack(request.data, max_pixels=limit)
                size = ImageSize(width_px=held.width_px, height_px=held.height_px, channels=held.channels)
            else:
                image, decode_ms = await run(decode, request.data, max_pixels=limit)
                size = _size(image)
                media_type, extension, write = _WRITERS[image_format]
                data, _ = await run(write, image)
        note(0, size.width_px * size.height_px)
        return pb.DecompressResponse(
            image=_fitting(data),
            format=image_format,
            size=size,
            codec=codec_id,
            decode_ms=decode_ms,
            media_type=media_type,
            file_extension=extension,
        )

    async def CompressBatch(self, request: pb.CompressBatchRequest, context: Any) -> pb.CompressBatchResponse:
        """Compresses many images, side by side; those of a call that was left are not begun."""
        one = pb.CompressRequest(
            options=request.options,
            skip_metrics=request.skip_metrics,
            goal=request.goal if request.HasField("goal") else None,
            input=request.input,
        )

        async def answer(image: pb.BatchImage) -> pb.CompressStreamResponse:
            member = pb.CompressRequest(image=image.image)
            member.MergeFrom(one)
            return await self._outcome(pb.CompressStreamRequest(key=image.key, request=member))

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answer(image)) for image in request.images]
        return pb.CompressBatchResponse(answers=[task.result() for task in tasks])

    async def CompressStream(
        self, request_iterator: AsyncIterator[pb.CompressStreamRequest], context: Any
    ) -> AsyncIterator[pb.CompressStreamResponse]:
        """Compresses a stream of images; at most twice as many as there are threads are under way."""
        async with aclosing(in_order(request_iterator, self._outcome, 2 * self._workers.count)) as answers:
            async for answer in answers:
                yield answer

    async def DecompressStream(
        self, request_iterator: AsyncIterator[pb.DecompressStreamRequest], context: Any
    ) -> AsyncIterator[pb.DecompressStreamResponse]:
        """Decompresses a stream of files; as many are under way as in `CompressStream`."""

        async def outcome(request: pb.DecompressStreamRequest) -> pb.DecompressStreamResponse:
            try:
                response = await self._decompress(request.request)
            except Exception as error:  # noqa: BLE001 - as in `_outcome`
                return pb.DecompressStreamResponse(key=request.key, error=_stream_error(error))
            return pb.DecompressStreamResponse(key=request.key, response=response)

        async with aclosing(in_order(request_iterator, outcome, 2 * self._workers.count)) as answers:
            async for answer in answers:
                yield answer

    async def Evaluate(self, request: pb.EvaluateRequest, context: Any) -> pb.EvaluateResponse:
        """Measures what was lost."""
        run, limit = self._workers.run, self._max_pixels
        async with self._workers.slot():
            original, _ = await run(decode, request.original, max_pixels=limit)
            codec, _ = await run(identify, request.decoded)
            decoded, _ = await run(decode, request.decoded, max_pixels=limit)
            if original.shape[:2] != decoded.shape[:2]:
                a, b = _size(original), _size(decoded)
                raise RequestError(
                    f"images of {a.width_px} x {a.height_px} and {b.width_px} x {b.height_px} pixels "
                    "cannot be compared: they have to have one size"
                )
            return pb.EvaluateResponse(
                size=_size(original),
                codec=codec,
                bits_per_pixel=bits_per_pixel(len(request.decoded), original),
                psnr_db=(await run(psnr, original, decoded))[0],
                psnr_y_db=(await run(psnr_y, original, decoded))[0],
                ssim=(await run(ssim, original, decoded))[0],
                ms_ssim=(await run(ms_ssim, original, decoded))[0],
                ssimulacra2=(await run(_ssimulacra2, original, decoded))[0],
            )

    async def _compress(self, request: pb.CompressRequest, *, refusable: bool = True) -> pb.CompressResponse:
        if request.HasField("goal") or request.input != InputOptions():
            raise RequestError("goals and input options are not taken by this server")
        codec = codec_from(request.options)
        run, limit = self._workers.run, self._max_pixels
        async with self._workers.slot(refusable=refusable):
            image, input_decode_ms = await run(decode, request.image, max_pixels=limit)
            note(0, image.shape[0] * image.shape[1])
            if isinstance(codec, FileCodec):
                data, encode_ms = await run(codec.encode_file, request.image, max_pixels=limit)
            else:
                data, encode_ms = await run(codec.encode, image)
            stats = pb.CompressionStats(
                size=_size(image),
                input_bytes=len(request.image),
                raw_bytes=image.size,
                output_bytes=len(data),
                ratio=len(request.image) / len(data),
                bits_per_pixel=bits_per_pixel(len(data), image),
                input_decode_ms=input_decode_ms,
                encode_ms=encode_ms,
            )
            if not request.skip_metrics:
                decoded, stats.decode_ms = await run(codec.decode, data, max_pixels=limit)
                decoded, _ = await run(resized, decoded, image.shape[1], image.shape[0])
                stats.psnr_db, _ = await run(psnr, image, decoded)
                similarity, _ = await run(ssim, image, decoded)
                if similarity is not None:
                    stats.ssim = similarity
        return pb.CompressResponse(
            data=_fitting(data),
            codec=codec.id,
            media_type=codec.media_type,
            file_extension=codec.file_extension,
            stats=stats,
        )

    async def _outcome(self, request: pb.CompressStreamRequest) -> pb.CompressStreamResponse:
        try:
            await pace(1, 0)
            response = await self._compress(request.request, refusable=False)
        except Exception as error:  # noqa: BLE001 - one member's failure does not end the stream
            return pb.CompressStreamResponse(key=request.key, error=_stream_error(error))
        return pb.CompressStreamResponse(key=request.key, response=response)


def _ssimulacra2(original: Pixels, decoded: Pixels) -> float | None:
    """Returns the score; None also where the package for it is not installed."""
    try:
        return ssimulacra2(original, decoded)
    except MissingPackageError:
        return None


def _stream_error(error: Exception) -> pb.StreamError:
    code = status_of(error, ERRORS)
    if code is None:
        logger.error("a member of CompressStream failed", exc_info=error)
        return pb.StreamError(code=_number(grpc.StatusCode.INTERNAL), message="internal error")
    return pb.StreamError(code=_number(code), message=str(error))


def _number(code: grpc.StatusCode) -> int:
    number: int = code.value[0]
    return number


def _raw(image: Pixels) -> bytes:
    return image.tobytes()


_WRITERS: dict[ImageFormat.ValueType, tuple[str, str, Callable[[Pixels], bytes]]] = {
    IMAGE_FORMAT_PNG: ("image/png", ".png", get_codec("png").encode),
    IMAGE_FORMAT_RAW_U8: ("application/octet-stream", "", _raw),
}
"""Media type, extension and writer of each format."""


def _file_codec(codec_id: str) -> type[FileCodec] | None:
    return next((codec for codec in list_file_codecs() if codec.id == codec_id), None)


def _fitting(data: bytes) -> bytes:
    if len(data) > MAX_MESSAGE_BYTES - _OTHER_FIELDS_BYTES:
        raise ResultTooLargeError(
            f"the result has {len(data)} bytes, more than a message of {MAX_MESSAGE_BYTES} bytes holds"
        )
    return data


def _size(image: Pixels) -> ImageSize:
    height_px, width_px, channels = image.shape
    return ImageSize(width_px=width_px, height_px=height_px, channels=channels)


def _image_format(requested: ImageFormat.ValueType) -> ImageFormat.ValueType:
    if requested == IMAGE_FORMAT_UNSPECIFIED:
        return IMAGE_FORMAT_PNG
    if requested not in _WRITERS:
        raise RequestError(f"format {requested} is not known: IMAGE_FORMAT_PNG and IMAGE_FORMAT_RAW_U8 are")
    return requested


def _codec_info(codec: type[Codec]) -> codec_pb2.CodecInfo:
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
    )

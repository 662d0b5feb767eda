"""What a worker does for a request: messages in, messages out, on one thread.

Nothing here waits or knows of gRPC's calls, so it runs on a thread of the server as well as in a process of
its own (docs/adr/0014-images-are-worked-on-in-processes.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from ganpress.v1 import compressor_service_pb2 as pb
from ganpress.v1.image_pb2 import (
    IMAGE_FORMAT_PNG,
    IMAGE_FORMAT_RAW_U8,
    IMAGE_FORMAT_UNSPECIFIED,
    ImageFormat,
    ImageSize,
)
from google.protobuf.message import Message

from services.common.server import MAX_MESSAGE_BYTES
from services.compressor.codecs import (
    FileCodec,
    MissingPackageError,
    Pixels,
    bits_per_pixel,
    container,
    get_codec,
    identify,
    list_file_codecs,
    ms_ssim,
    psnr,
    psnr_y,
    ssim,
    ssimulacra2,
)
from services.compressor.encoding import Order, encode, order_of
from services.compressor.errors import RequestError, ResultTooLargeError
from services.compressor.failures import failure
from services.compressor.inputs import Picture, read
from services.compressor.options import wishes_from
from services.compressor.reports import input_report
from services.compressor.warm_up import warm_up

GoOn = Callable[[], None]
"""Is called between steps; what it raises ends the job."""
Job = Callable[[Any, int, GoOn], Message | bytes]
"""Takes a request, most pixels of an image, and what to ask between steps; gives a message or its bytes."""

_OTHER_FIELDS_BYTES = 4096  # of a message around its image, names and keys of usual length included
_PNG = get_codec("png")


def compress(request: pb.CompressRequest, max_pixels: int, go_on: GoOn) -> pb.CompressResponse:
    """Compresses one image."""
    response = pb.CompressResponse()
    encode(response, order_of(request), request.image, max_pixels, go_on)
    _check_size(len(response.data))
    return response


def compress_batch(request: pb.CompressBatchRequest, max_pixels: int, go_on: GoOn) -> bytes:
    """Compresses images one by one; each has its own error.

    Returns:
        A CompressBatchResponse. Such bytes in a row are one of all their answers, so nothing is copied.
    """
    response = pb.CompressBatchResponse()
    order: Order | None = None
    for image in request.images:
        go_on()
        answer = response.answers.add(key=image.key)
        try:
            order = order or order_of(request)
            encode(answer.response, order, image.image, max_pixels, go_on)
        except Exception as error:  # noqa: BLE001 - one image's failure does not end the batch
            answer.error.CopyFrom(failure(error))
    return response.SerializeToString()


def decompress(request: pb.DecompressRequest, max_pixels: int, go_on: GoOn) -> pb.DecompressResponse:
    """Gives an image, or a file that was repacked, back."""
    if request.restore_file and (file_codec := _file_codec(request.data)):
        return _restored(request.data, file_codec, max_pixels)
    image_format = _image_format(request.format)
    wishes = wishes_from(request.input, [type(_PNG)])
    keeps_more = wishes.keeps_profile or wishes.keeps_metadata or wishes.takes_all_frames
    if image_format == IMAGE_FORMAT_RAW_U8 and keeps_more:
        raise RequestError("bare samples hold one frame and no profile or metadata: ask for PNG to keep them")
    begun_s = perf_counter()
    picture = read(request.data, wishes, max_pixels=max_pixels)
    decode_ms = 1000 * (perf_counter() - begun_s)
    go_on()
    image = _written(picture, image_format)
    _check_size(len(image))
    return pb.DecompressResponse(
        image=image,
        format=image_format,
        size=size_of(picture.first),
        codec=picture.format,
        decode_ms=decode_ms,
        media_type="image/png" if image_format == IMAGE_FORMAT_PNG else "application/octet-stream",
        file_extension=".png" if image_format == IMAGE_FORMAT_PNG else "",
        input=input_report(picture),
    )


def evaluate(request: pb.EvaluateRequest, max_pixels: int, go_on: GoOn) -> pb.EvaluateResponse:
    """Measures what a second image has lost of a first."""
    wishes = wishes_from(request.input, [])
    one, two = (read(data, wishes, max_pixels=max_pixels) for data in (request.original, request.decoded))
    a, b = size_of(one.first), size_of(two.first)
    if (a.width_px, a.height_px) != (b.width_px, b.height_px):
        raise RequestError(
            f"images of {a.width_px} x {a.height_px} and {b.width_px} x {b.height_px} pixels cannot be "
            "compared: they have to have one size"
        )
    response = pb.EvaluateResponse(
        size=a,
        codec=two.format,
        bits_per_pixel=bits_per_pixel(len(request.decoded), one.first),
        psnr_db=psnr(one.first, two.first),
        psnr_y_db=psnr_y(one.first, two.first),
        original_input=input_report(one),
        decoded_input=input_report(two),
    )
    for name, measure in (("ssim", ssim), ("ms_ssim", ms_ssim), ("ssimulacra2", _ssimulacra2)):
        go_on()
        if (value := measure(one.first, two.first)) is not None:
            setattr(response, name, value)
    return response


def prepare(request: pb.ListCodecsRequest, max_pixels: int, go_on: GoOn) -> pb.ListCodecsRequest:  # noqa: ARG001
    """Tries every codec, so that none has to be loaded or compiled later."""
    warm_up()
    return request


JOBS: Mapping[str, tuple[Job, type[Message], type[Message | bytes]]] = {
    "compress": (compress, pb.CompressRequest, pb.CompressResponse),
    "compress_batch": (compress_batch, pb.CompressBatchRequest, bytes),
    "decompress": (decompress, pb.DecompressRequest, pb.DecompressResponse),
    "evaluate": (evaluate, pb.EvaluateRequest, pb.EvaluateResponse),
    "prepare": (prepare, pb.ListCodecsRequest, pb.ListCodecsRequest),
}
"""Jobs by name, with the message that they take and what they give."""


def size_of(image: Pixels) -> ImageSize:
    """Returns an image's size as a message."""
    height_px, width_px, channels = image.shape
    return ImageSize(width_px=width_px, height_px=height_px, channels=channels)


def _restored(data: bytes, file_codec: type[FileCodec], max_pixels: int) -> pb.DecompressResponse:
    begun_s = perf_counter()
    restored = file_codec.restore_file(data, max_pixels=max_pixels)
    decode_ms = 1000 * (perf_counter() - begun_s)
    _check_size(len(restored))
    held = container.unpack(data, max_pixels=max_pixels)
    return pb.DecompressResponse(
        image=restored,
        format=IMAGE_FORMAT_UNSPECIFIED,
        size=ImageSize(width_px=held.width_px, height_px=held.height_px, channels=held.channels),
        codec=file_codec.id,
        decode_ms=decode_ms,
        media_type=file_codec.input_media_type,
        file_extension=file_codec.input_file_extension,
    )


def _written(picture: Picture, image_format: ImageFormat.ValueType) -> bytes:
    if image_format == IMAGE_FORMAT_RAW_U8:
        _check_size(picture.first.nbytes)
        return picture.first.tobytes()
    return _PNG.encode_frames(
        picture.frames, picture.extras, durations_ms=picture.durations_ms, loops=picture.loops
    )


def _file_codec(data: bytes) -> type[FileCodec] | None:
    if not container.is_container(data):
        return None
    codec_id = identify(data)
    return next((codec for codec in list_file_codecs() if codec.id == codec_id), None)


def _image_format(requested: ImageFormat.ValueType) -> ImageFormat.ValueType:
    if requested == IMAGE_FORMAT_UNSPECIFIED:
        return IMAGE_FORMAT_PNG
    if requested not in (IMAGE_FORMAT_PNG, IMAGE_FORMAT_RAW_U8):
        raise RequestError(f"format {requested} is not known: IMAGE_FORMAT_PNG and IMAGE_FORMAT_RAW_U8 are")
    return requested


def _check_size(size_bytes: int) -> None:
    if size_bytes > MAX_MESSAGE_BYTES - _OTHER_FIELDS_BYTES:
        raise ResultTooLargeError(
            f"the result has {size_bytes} bytes, more than a message of {MAX_MESSAGE_BYTES} bytes holds"
        )


def _ssimulacra2(original: Pixels, decoded: Pixels) -> float | None:
    """Returns the score; None also where the package for it is not installed."""
    try:
        return ssimulacra2(original, decoded)
    except MissingPackageError:
        return None

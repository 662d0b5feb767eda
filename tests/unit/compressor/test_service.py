"""The compressor over a real socket."""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from ganpress.v1 import codec_pb2
from ganpress.v1 import compressor_service_pb2 as pb
from ganpress.v1.codec_pb2 import CodecOptions
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub
from ganpress.v1.image_pb2 import IMAGE_FORMAT_PNG, IMAGE_FORMAT_RAW_U8, IMAGE_FORMAT_UNSPECIFIED
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from PIL import Image

from services.common.server import MAX_MESSAGE_BYTES
from services.compressor.codecs import (
    decode,
    get_codec,
    list_codecs,
    list_file_codecs,
    psnr,
    repack,
    resized,
    ssim,
)
from services.compressor.service import build_service
from services.compressor.settings import CompressorSettings
from tests.helpers.images import jpeg_file, png_file
from tests.helpers.servers import server_process, serving

FULL_NAME = "ganpress.v1.CompressorService"
MAX_PIXELS = 200_000
PNG = png_file()


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncGenerator[grpc.aio.Channel]:
    """A channel to a compressor of two threads that takes images of at most MAX_PIXELS."""
    settings = CompressorSettings(threads=2, max_pixels=MAX_PIXELS, warm_up=False, isolation="thread")
    async with serving([build_service(settings)], tmp_path) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    """The compressor's client stub."""
    return CompressorServiceStub(channel)


def defaults(codec: str) -> CodecOptions:
    """Returns the message for a codec with its default options."""
    options = CodecOptions()
    getattr(options, codec).SetInParent()
    return options


def request(image: bytes = PNG, codec: str = "jpeg", **fields: Any) -> pb.CompressRequest:
    """Returns a request for a codec with its default options."""
    return pb.CompressRequest(image=image, options=defaults(codec), **fields)


async def failure(call: Any) -> tuple[grpc.StatusCode, str]:
    """Returns the status of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), error.value.details() or ""


@pytest.mark.parametrize("codec", [codec.id for codec in list_codecs()])
async def test_compress_and_decompress(stub: Any, codec: str) -> None:
    """Each codec's answer has the file, true numbers about it, and decompresses to what the library gives."""
    response = await stub.Compress(request(codec=codec))
    library = get_codec(codec)
    assert response.data == library.encode(decode(PNG))
    assert (response.codec, response.media_type) == (codec, library.media_type)
    assert response.file_extension == library.file_extension

    image, decoded, stats = decode(PNG), decode(response.data), response.stats
    assert (stats.size.width_px, stats.size.height_px, stats.size.channels) == (64, 48, 3)
    assert (stats.input_bytes, stats.raw_bytes) == (len(PNG), 64 * 48 * 3)
    assert stats.output_bytes == len(response.data)
    assert stats.ratio == pytest.approx(len(PNG) / len(response.data))
    assert stats.bits_per_pixel == pytest.approx(8 * len(response.data) / (64 * 48))
    assert stats.psnr_db == pytest.approx(psnr(image, decoded))
    assert stats.ssim == pytest.approx(ssim(image, decoded))
    assert math.isinf(stats.psnr_db) == np.array_equal(image, decoded)
    assert min(stats.input_decode_ms, stats.encode_ms, stats.decode_ms) > 0

    back = await stub.Decompress(pb.DecompressRequest(data=response.data))
    assert (back.codec, back.format) == (codec, IMAGE_FORMAT_PNG)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(back.image))), decoded)
    raw = await stub.Decompress(pb.DecompressRequest(data=response.data, format=IMAGE_FORMAT_RAW_U8))
    assert raw.image == decoded.tobytes()
    assert raw.size.channels == decoded.shape[2]


async def test_options_reach_the_codec(stub: Any) -> None:
    """Options that are set are used."""
    options = CodecOptions(dct=codec_pb2.DctOptions(threshold=0.03, color_space=codec_pb2.COLOR_SPACE_YCBCR))
    response = await stub.Compress(pb.CompressRequest(image=PNG, options=options))
    assert response.data == get_codec("dct", threshold=0.03, color_space="ycbcr").encode(decode(PNG))


async def test_resized_image_is_measured_at_its_first_size(stub: Any) -> None:
    """An image that was encoded smaller is scaled back before it is compared."""
    options = CodecOptions(png=codec_pb2.PngOptions(resize=0.5))
    response = await stub.Compress(pb.CompressRequest(image=PNG, options=options))
    assert decode(response.data).shape == (24, 32, 3)
    assert (response.stats.size.width_px, response.stats.size.height_px) == (64, 48)
    assert response.stats.psnr_db == pytest.approx(psnr(decode(PNG), resized(decode(response.data), 64, 48)))


async def test_metrics_can_be_skipped(stub: Any) -> None:
    """Without metrics there are no numbers about quality."""
    stats = (await stub.Compress(request(skip_metrics=True))).stats
    assert not stats.HasField("psnr_db")
    assert not stats.HasField("ssim")
    assert stats.decode_ms == 0


async def test_small_images_have_no_ssim(stub: Any) -> None:
    """SSIM is unset when a side is under 7 pixels."""
    stats = (await stub.Compress(request(png_file(6, 40)))).stats
    assert stats.HasField("psnr_db")
    assert not stats.HasField("ssim")


async def test_list_codecs(stub: Any) -> None:
    """The list has every codec with its options, and the server's limits."""
    response = await stub.ListCodecs(pb.ListCodecsRequest())
    assert [info.name for info in response.codecs] == [
        codec.id for codec in (*list_codecs(), *list_file_codecs())
    ]
    dct = next(info for info in response.codecs if info.name == "dct")
    assert [parameter.name for parameter in dct.parameters] == [
        field.name for field in codec_pb2.DctOptions.DESCRIPTOR.fields
    ]
    assert dct.parameters[1].accepts == "1..100"
    assert {info.name for info in response.codecs if info.lossless} == {
        *("png", "jpeg2000", "tiff", "tga", "repack")
    }
    assert [info.name for info in response.codecs if info.input_media_type] == ["repack"]
    assert (response.max_pixels, response.max_message_bytes) == (MAX_PIXELS, MAX_MESSAGE_BYTES)
    assert response.ganpress_version


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no data at all"),
        (jpeg_file()[:600], "truncated or broken"),
        (b"This is a text file named photo.png.", "not an image"),
        (get_codec("dct").encode(decode(PNG))[:-5], "truncated or altered"),
    ],
)
async def test_what_is_no_image(stub: Any, data: bytes, message: str) -> None:
    """Empty, truncated and other files are the caller's mistake, in compression and decompression."""
    for call in (stub.Compress(request(data)), stub.Decompress(pb.DecompressRequest(data=data))):
        code, details = await failure(call)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert message in details


@pytest.mark.parametrize(("width_px", "height_px"), [(500, 401), (20_000, 20_000)])
async def test_too_many_pixels(stub: Any, width_px: int, height_px: int) -> None:
    """An image beyond the limit is refused by its header."""
    buffer = io.BytesIO()
    Image.new("1", (width_px, height_px)).save(buffer, "PNG")
    for call in (
        stub.Compress(request(buffer.getvalue())),
        stub.Decompress(pb.DecompressRequest(data=buffer.getvalue())),
    ):
        code, details = await failure(call)
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "pixels" in details


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CodecOptions(), "set the options of one of auto, avif, dct"),
        (CodecOptions(dct=codec_pb2.DctOptions(threshold=1)), "threshold takes above 0, below 1, not 1"),
        (CodecOptions(dct=codec_pb2.DctOptions(threshold=0.1, quality=9)), "threshold or quality, not both"),
        (CodecOptions(kmeans=codec_pb2.KmeansOptions(k=0)), "k takes 1..256, not 0"),
        (CodecOptions(jpeg=codec_pb2.JpegOptions(subsampling=99)), "takes 444, 422 or 420, not 99"),
    ],
)
async def test_wrong_options(stub: Any, options: CodecOptions, message: str) -> None:
    """A wrong option is named, with what would be accepted."""
    code, details = await failure(stub.Compress(pb.CompressRequest(image=PNG, options=options)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message in details


async def test_transparency_into_jpeg(stub: Any) -> None:
    """Transparency is not lost silently."""
    code, details = await failure(stub.Compress(request(png_file(channels=4))))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "these can: dct" in details


async def test_repacked_jpeg(stub: Any) -> None:
    """A JPEG is repacked from its file, and comes back as that file or as pixels, as the caller wants."""
    data = jpeg_file()
    response = await stub.Compress(request(data, "repack"))
    assert response.data == repack.pack(data)
    assert (response.codec, response.file_extension) == ("repack", ".gpc")
    assert math.isinf(response.stats.psnr_db)
    assert response.stats.output_bytes < response.stats.input_bytes
    back = await stub.Decompress(pb.DecompressRequest(data=response.data, restore_file=True))
    assert back.image == data
    assert (back.format, back.media_type) == (IMAGE_FORMAT_UNSPECIFIED, "image/jpeg")
    assert (back.file_extension, back.codec, back.size.width_px) == (".jpg", "repack", 64)
    pixels = await stub.Decompress(pb.DecompressRequest(data=response.data))
    assert (pixels.format, pixels.media_type, pixels.file_extension) == (
        IMAGE_FORMAT_PNG,
        "image/png",
        ".png",
    )
    assert np.array_equal(decode(pixels.image), decode(data))
    other = await stub.Decompress(pb.DecompressRequest(data=data, restore_file=True))
    assert (other.format, other.file_extension) == (IMAGE_FORMAT_PNG, ".png")


async def test_repacking_what_is_no_jpeg(stub: Any) -> None:
    """Only JPEG files are repacked."""
    code, details = await failure(stub.Compress(request(PNG, "repack")))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "repack takes JPEG files" in details


async def test_unknown_image_format(stub: Any) -> None:
    """A format that the API lacks is refused."""
    code, details = await failure(stub.Decompress(pb.DecompressRequest(data=PNG, format=9)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "format 9 is not known" in details


async def test_result_larger_than_a_message(tmp_path: Path) -> None:
    """A picture that does not fit into one message is refused with its size."""
    buffer = io.BytesIO()
    Image.new("RGB", (6000, 4000)).save(buffer, "PNG")
    async with serving(
        [build_service(CompressorSettings(warm_up=False, isolation="thread"))], tmp_path
    ) as channel:
        stub: Any = CompressorServiceStub(channel)
        call = stub.Decompress(pb.DecompressRequest(data=buffer.getvalue(), format=IMAGE_FORMAT_RAW_U8))
        code, details = await failure(call)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "72000000 bytes" in details


async def test_stream_answers_in_order(stub: Any) -> None:
    """A stream has one answer a request, in order; a broken member has its own error and ends nothing."""
    images = [png_file(48, 32, seed=seed) for seed in range(12)]
    images[5] = jpeg_file()[:500]

    async def requests() -> AsyncIterator[pb.CompressStreamRequest]:
        for number, image in enumerate(images):
            # Slow ones among quick ones: answers that overtook each other would show.
            codec = "avif" if number % 4 == 0 else "tga"
            yield pb.CompressStreamRequest(key=f"image-{number}", request=request(image, codec))

    answers = [answer async for answer in stub.CompressStream(requests())]
    assert [answer.key for answer in answers] == [f"image-{number}" for number in range(12)]
    for number, answer in enumerate(answers):
        if number == 5:
            assert answer.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
            assert "truncated or broken" in answer.error.message
        else:
            assert answer.response.data == get_codec(answer.response.codec).encode(decode(images[number]))


async def test_stream_in_lock_step(stub: Any) -> None:
    """A caller may wait for each answer before the next request, and may send nothing at all."""
    call = stub.CompressStream()
    for number in range(3):
        await call.write(pb.CompressStreamRequest(key=str(number), request=request()))
        assert (await call.read()).key == str(number)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    empty = stub.CompressStream()
    await empty.done_writing()
    assert await empty.read() is grpc.aio.EOF


async def test_cancelled_stream_stops(stub: Any) -> None:
    """After a caller left in the middle of an endless stream, the server ends its work and serves others."""
    sent = 0

    async def requests() -> AsyncIterator[pb.CompressStreamRequest]:
        nonlocal sent
        while True:
            sent += 1
            yield pb.CompressStreamRequest(request=request(codec="png"))

    call = stub.CompressStream(requests())
    await call.read()
    call.cancel()
    assert await call.code() is grpc.StatusCode.CANCELLED
    sent_before = sent
    if work := [task for task in asyncio.all_tasks() if "CompressorServicer" in repr(task.get_coro())]:
        await asyncio.wait(work)
    assert (await stub.Compress(request())).data
    assert sent == sent_before


async def test_cancelled_call_frees_its_slot(stub: Any) -> None:
    """Calls that were cancelled take no slot from later ones."""
    calls = [stub.Compress(request(codec="avif")) for _ in range(8)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    assert (await stub.Compress(request())).data


async def test_parallel_calls(stub: Any) -> None:
    """Calls at the same time give what they give one by one."""
    codecs = ["dct", "kmeans", "jpeg", "webp"] * 3
    responses = await asyncio.gather(*(stub.Compress(request(codec=codec)) for codec in codecs))
    for codec, response in zip(codecs, responses, strict=True):
        assert response.data == get_codec(codec).encode(decode(PNG))


async def test_health_and_reflection(channel: grpc.aio.Channel) -> None:
    """The service reports its health and describes itself."""
    health: Any = health_pb2_grpc.HealthStub(channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(service=FULL_NAME))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=FULL_NAME)]
    answers = [answer async for answer in reflection.ServerReflectionInfo(iter(asked))]
    assert b"CompressStream" in answers[0].file_descriptor_response.file_descriptor_proto[0]


async def test_command() -> None:
    """`ganpress-compressor` warms up, serves with the settings it was given, and ends on SIGTERM."""
    options = ("--threads", "1", "--max-pixels", "1000", "--host", "127.0.0.1")
    async with server_process("services.compressor", *options) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub: Any = CompressorServiceStub(channel)
            assert (await stub.ListCodecs(pb.ListCodecsRequest())).max_pixels == 1000
        server.terminate()
        assert await server.exit_code() == 0

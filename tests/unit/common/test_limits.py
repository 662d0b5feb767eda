"""GetLimits: what is told is what holds."""

from __future__ import annotations

import asyncio
import io

import grpc
import pytest
from ganpress.v1 import compressor_service_pb2 as compressor_pb
from ganpress.v1 import generator_service_pb2 as generator_pb
from ganpress.v1.codec_pb2 import CodecOptions, KmeansOptions, PngOptions
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from ganpress.v1.input_pb2 import FRAMES_ALL, InputOptions
from PIL import Image

from services.common.access import Allowance
from services.common.server import CHANNEL_OPTIONS, Server, ServerOptions
from services.compressor.service import build_service as build_compressor
from services.compressor.settings import CompressorSettings
from services.generator.service import build_service as build_generator
from services.generator.settings import GeneratorSettings
from tests.helpers.images import png_file


@pytest.fixture
async def channel(model_root, tmp_path):
    """Both services with small limits."""
    services = [
        build_generator(GeneratorSettings(models=model_root, watch_s=0, max_count=30, queue_size=100)),
        build_compressor(
            CompressorSettings(warm_up=False, max_pixels=40_000, queue_size=4, queue_timeout_s=50, threads=1)
        ),
    ]
    allowance = Allowance(images_per_s=1000, megapixels_per_s=0, max_calls=60)
    server = Server(services, ServerOptions(grace_s=0, allowance=allowance))
    address = await server.start(f"unix:{tmp_path / 's'}")
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        yield channel
    await server.stop()


async def test_generator(channel):
    """A request of as many images as the generator tells is taken, one more is not."""
    stub = GeneratorServiceStub(channel)
    limits = (await stub.GetLimits(generator_pb.GeneratorServiceGetLimitsRequest())).limits
    assert (limits.max_images, limits.queue_size, limits.images_per_s, limits.max_calls) == (
        30,
        100,
        1000,
        60,
    )
    assert limits.max_message_bytes == dict(CHANNEL_OPTIONS)["grpc.max_receive_message_length"]
    answer = await stub.Generate(generator_pb.GenerateRequest(model="dogs", count=limits.max_images))
    assert len(answer.images) == 30
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Generate(generator_pb.GenerateRequest(model="dogs", count=31))
    assert "1 to 30, not 31" in (caught.value.details() or "")


async def test_compressor(channel):
    """An image of as many pixels as the compressor tells is taken, one with more is not."""
    stub = CompressorServiceStub(channel)
    limits = (await stub.GetLimits(compressor_pb.CompressorServiceGetLimitsRequest())).limits
    assert (limits.max_pixels, limits.queue_size, limits.queue_timeout_s) == (40_000, 4, 50)
    options = CodecOptions(png=PngOptions())
    await stub.Compress(compressor_pb.CompressRequest(image=png_file(200, 200), options=options))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Compress(compressor_pb.CompressRequest(image=png_file(200, 201), options=options))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"] == "-1"  # it is no use again


async def test_frames(channel):
    """An animation of as many frames as the compressor tells is taken, one more is not."""
    stub = CompressorServiceStub(channel)
    limits = (await stub.GetLimits(compressor_pb.CompressorServiceGetLimitsRequest())).limits
    reading = InputOptions(frames=FRAMES_ALL)
    for frames, code in (
        (limits.max_frames, grpc.StatusCode.OK),
        (limits.max_frames + 1, grpc.StatusCode.INVALID_ARGUMENT),
    ):
        request = compressor_pb.CompressRequest(
            image=still_gif(frames), options=CodecOptions(png=PngOptions()), input=reading
        )
        assert await stub.Compress(request).code() == code


def still_gif(frames: int) -> bytes:
    """An animation of one pixel: the same frame so many times."""
    buffer = io.BytesIO()
    Image.new("P", (1, 1)).save(buffer, "GIF", save_all=True, duration=20)
    file = buffer.getvalue()
    first = file.index(b"\x21\xf9\x04")  # of the one frame, which ends before the file's last byte
    return file[:first] + file[first:-1] * frames + b";"


@pytest.mark.parametrize("method", ["Compress", "CompressBatch"])
async def test_compressor_queue(channel, method):
    """Calls above the compressor's queue are refused with a hint when to come again; others are answered."""
    stub = CompressorServiceStub(channel)
    image, options = png_file(160, 160), CodecOptions(kmeans=KmeansOptions(k=256))
    request = compressor_pb.CompressRequest(image=image, options=options)
    if method == "CompressBatch":
        images = [compressor_pb.BatchImage(image=image)] * 20  # of several parts
        request = compressor_pb.CompressBatchRequest(images=images, options=options)
    calls = [getattr(stub, method)(request) for _ in range(20)]
    codes = await asyncio.gather(*(call.code() for call in calls))
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    refused = calls[codes.index(grpc.StatusCode.RESOURCE_EXHAUSTED)]
    assert int(dict(await refused.trailing_metadata())["grpc-retry-pushback-ms"]) >= 100
    assert "requests wait, and no more may; try again in" in await refused.details()

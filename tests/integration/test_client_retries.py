"""What the client's channel sends again, and what not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from ganpress.v1 import compressor_service_pb2 as pb
from ganpress.v1.codec_pb2 import CodecOptions, KmeansOptions, PngOptions
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub

from client.channel import open_channel
from services.common.access import Allowance
from services.common.server import CHANNEL_OPTIONS, Server, ServerOptions
from services.compressor.service import build_service
from services.compressor.settings import CompressorSettings
from tests.helpers.images import png_file

_KMEANS = CodecOptions(kmeans=KmeansOptions(k=256))
_NO_LIMIT = Allowance()
_LARGE_BYTES = 3 * 2**20  # more than gRPC keeps by default, as a photograph is


@asynccontextmanager
async def compressor(folder: Path, allowance: Allowance = _NO_LIMIT) -> AsyncGenerator[CompressorServiceStub]:
    """A compressor in which a caller may let two requests wait, and the client's way to it."""
    settings = CompressorSettings(
        warm_up=False, max_pixels=40_000, queue_size=4, queue_timeout_s=50, threads=1
    )
    options = ServerOptions(grace_s=0, allowance=allowance)
    server = Server([build_service(settings)], options)
    address = await server.start(f"unix:{folder / 's'}")
    try:
        async with open_channel(address) as channel:
            yield CompressorServiceStub(channel)
    finally:
        await server.stop()


async def test_a_full_queue_is_waited_for(tmp_path: Path) -> None:
    """Calls that a busy server has no room for come again when it says, and all are answered."""
    async with compressor(tmp_path) as stub:
        request = pb.CompressRequest(image=png_file(160, 160), options=_KMEANS)
        await stub.Compress(request, timeout=60)  # the server learns how long one takes
        answers = await asyncio.gather(*(stub.Compress(request, timeout=60) for _ in range(5)))
    assert all(answer.data for answer in answers)


async def test_what_is_no_use_is_told_at_once(tmp_path: Path) -> None:
    """An image that is too large is refused the first time, and so is what would come after its deadline."""
    allowance = Allowance(megapixels_per_s=0.001)
    async with compressor(tmp_path, allowance) as stub:
        options = CodecOptions(png=PngOptions())
        for side_px, timeout_s, message in (
            (201, 60, "201 x 200 = 40200 pixels; at most 40000"),
            (200, 60, ""),  # spends 40 seconds' worth
            (200, 10, "allowance of 0.001 megapixels a second is used up: try again in"),
        ):
            begun_s = time.monotonic()
            request = pb.CompressRequest(image=png_file(side_px, 200), options=options)
            call = stub.Compress(request, timeout=timeout_s)
            if not message:
                await call
                continue
            with pytest.raises(grpc.aio.AioRpcError, match=message) as caught:
                await call
            assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert dict(caught.value.trailing_metadata() or ())["grpc-retry-pushback-ms"] == "-1"
            assert time.monotonic() - begun_s < timeout_s / 2


async def test_large_messages_are_sent_again() -> None:
    """A message of megabytes comes again like a small one when the server that had it goes away."""
    sizes: list[int] = []

    async def answer(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        sizes.append(len(request))
        if len(sizes) == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "going away")
        return b"done"

    server = grpc.aio.server(options=CHANNEL_OPTIONS)
    handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Test", {"Call": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary("/test.Test/Call")
            assert await call(bytes(_LARGE_BYTES), timeout=60) == b"done"
    finally:
        await server.stop(0)
    assert sizes == [_LARGE_BYTES] * 2

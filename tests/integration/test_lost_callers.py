"""What comes of callers that are gone all at once: killed, or cut off by the network."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from ganpress.v1 import compressor_service_pb2 as pb
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub
from ganpress.v1.image_pb2 import IMAGE_FORMAT_RAW_U8

from services.common.server import CHANNEL_OPTIONS
from tests.helpers.images import png_file
from tests.helpers.servers import ServerProcess, server_process

SMALL = pb.DecompressRequest(data=png_file(8, 8), format=IMAGE_FORMAT_RAW_U8)
LARGE = pb.DecompressRequest(data=png_file(1200, 1200), format=IMAGE_FORMAT_RAW_U8)

READER = """
import sys, grpc
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
stub = GeneratorServiceStub(grpc.insecure_channel(sys.argv[1]))
request = pb.GenerateRequest(model="dogs", count=100_000)
for answer in stub.GenerateStream(pb.GenerateStreamRequest(request=request)):
    print(flush=True)
"""


class Line:
    """A way to a server that can be cut: both ends get a reset."""

    def __init__(self, address: str) -> None:
        """Takes the server's address."""
        self._address = address
        self._writers: list[asyncio.StreamWriter] = []
        self.up_bytes = self.down_bytes = 0

    async def join(self, up_reader: asyncio.StreamReader, down_writer: asyncio.StreamWriter) -> None:
        """Passes on what one connection says."""
        host, port = self._address.rsplit(":", 1)
        down_reader, up_writer = await asyncio.open_connection(host, int(port))
        self._writers += [down_writer, up_writer]

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_up: bool) -> None:
            while data := await reader.read(65536):
                self.up_bytes += len(data) * is_up
                self.down_bytes += len(data) * (not is_up)
                writer.write(data)
                await writer.drain()

        ways = [pass_on(up_reader, up_writer, True), pass_on(down_reader, down_writer, False)]
        await asyncio.gather(*ways, return_exceptions=True)
        self.cut()

    def cut(self) -> None:
        """Cuts it."""
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def line_to(server: ServerProcess) -> AsyncGenerator[tuple[Line, grpc.aio.Channel]]:
    """Yields a line and a channel through it, which does not call again when it breaks."""
    line = Line(server.address)
    async with await asyncio.start_server(line.join, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        options = [*CHANNEL_OPTIONS, ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            yield line, channel


async def read(stub: CompressorServiceStub) -> None:
    """Sends and reads without end."""

    async def requests() -> AsyncIterator[pb.DecompressStreamRequest]:
        while True:
            yield pb.DecompressStreamRequest(request=LARGE)

    async for _ in stub.DecompressStream(requests()):
        pass


async def send(stub: CompressorServiceStub) -> None:
    """Sends messages that take a moment."""
    await asyncio.gather(*(stub.Compress(pb.CompressRequest(image=bytes(60_000_000))) for _ in range(4)))


async def test_cut() -> None:
    """Calls that are cut off while they are sent or answered are CANCELLED, and the log says no more."""
    options = ("--warm-up", "false", "--isolation", "thread", "--log-level", "debug")
    async with server_process("services.compressor", *options) as server:

        async def cut(work: Callable[[CompressorServiceStub], Awaitable[None]], after_s: float) -> None:
            async with line_to(server) as (line, channel):
                working = asyncio.ensure_future(work(CompressorServiceStub(channel)))
                while line.up_bytes < 200_000 or (work is read and not line.down_bytes):  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
                await asyncio.sleep(after_s)
                line.cut()
                await asyncio.gather(working, return_exceptions=True)
                assert isinstance(working.exception(), grpc.aio.AioRpcError)

        for number in range(12):
            await cut(read, 0.01 * number)
        for number in range(3):
            await cut(send, 0.01 * number)
        server.terminate()
        assert await server.exit_code() == 0
    codes = re.findall(r"call ended method=\S+/(\w+) code=(\w+)", server.log)
    assert codes.count(("DecompressStream", "CANCELLED")) == 12
    assert {code for _, code in codes} == {"CANCELLED"}
    assert not re.search(r"ERROR|WARNING|Traceback", server.log), server.log


async def test_cut_between_messages() -> None:
    """A stream is CANCELLED when it is cut with all answered and more to come, and OK when it is ended."""

    async def ask(stub: CompressorServiceStub) -> Any:
        call = stub.DecompressStream()
        await call.write(pb.DecompressStreamRequest(request=SMALL))
        assert (await call.read()).response.image
        return call

    options = ("--warm-up", "false", "--isolation", "thread", "--log-level", "debug")
    async with server_process("services.compressor", *options) as server:
        for _ in range(20):
            async with line_to(server) as (line, channel):
                call = await ask(CompressorServiceStub(channel))
                line.cut()
                assert await call.code() is grpc.StatusCode.UNAVAILABLE
        async with line_to(server) as (_, channel):
            call = await ask(CompressorServiceStub(channel))
            await call.done_writing()
            assert await call.code() is grpc.StatusCode.OK
        server.terminate()
        assert await server.exit_code() == 0
    assert re.findall(r"call ended method=\S+ code=(\w+)", server.log) == ["CANCELLED"] * 20 + ["OK"]


async def test_caller_killed(model_root) -> None:
    """The call of a caller that is killed while it reads is CANCELLED, and the log says no more."""
    async with server_process("services.generator", "--models", str(model_root)) as server:
        caller = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", READER, server.address), stdout=asyncio.subprocess.PIPE
        )
        assert caller.stdout
        assert await caller.stdout.readline()
        caller.kill()
        await caller.communicate()
        await server.read_log_until("(code=CANCELLED)")
        server.terminate()
        assert await server.exit_code() == 0
    assert not re.search(r"ERROR|WARNING|Traceback", server.log), server.log

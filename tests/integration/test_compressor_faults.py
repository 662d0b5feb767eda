"""What comes of faults of the processes that work on images, as callers of the service see it."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from ganpress.v1 import compressor_service_pb2 as pb
from ganpress.v1.codec_pb2 import AvifOptions, CodecOptions, PngOptions
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub
from ganpress.v1.goal_pb2 import Goal
from PIL import Image

from client.api import GanpressClient
from client.errors import UnreachableError
from tests.helpers.images import png_file
from tests.helpers.servers import ServerProcess, server_process

QUICK = pb.CompressRequest(image=png_file(32, 32), options=CodecOptions(png=PngOptions()))
LONG = pb.CompressRequest(
    image=png_file(800, 800), options=CodecOptions(avif=AvifOptions(speed=0)), goal=Goal(target_psnr_db=20)
)


def workers_of(server: ServerProcess) -> list[int]:
    """The processes that work on images: children of the one that forks them."""
    children = _children(server._process.pid)
    return [worker for child in children for worker in _children(child)]


def _children(pid: int) -> list[int]:
    text = "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for child in text.split()]


def words_of(pid: int) -> str:
    """The command line of a process; empty if there is none."""
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_text() if path.exists() else ""


def cpu_ticks(pid: int) -> int:
    """CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


async def busiest(pids: list[int]) -> int:
    """The process that works, once one does."""
    before = {pid: cpu_ticks(pid) for pid in pids}
    while True:
        await asyncio.sleep(0.1)
        worked = {pid: cpu_ticks(pid) - before[pid] for pid in pids}
        if max(worked.values()) > 30:
            return max(worked, key=lambda pid: worked[pid])


def test_stop_while_codecs_compile(tmp_path: Path) -> None:
    """SIGTERM ends a service at once, with success, that still compiles its codecs."""
    command = [sys.executable, "-m", "services.compressor", "--port", "0"]
    with subprocess.Popen(command, env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}) as server:
        for _ in range(600):
            if any(tmp_path.rglob("*.nbc")):  # what was compiled
                break
            time.sleep(0.1)
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0  # compiling takes half a minute and more


async def test_worker_killed() -> None:
    """SIGKILL of a worker amid a call ends that call alone; others go on, and a new one takes its place."""
    async with server_process("services.compressor", "--threads", "2", "--warm-up", "false") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = CompressorServiceStub(channel)
            await asyncio.gather(*(stub.Compress(QUICK) for _ in range(4)))
            workers = workers_of(server)
            assert len(workers) == 2
            long = stub.Compress(LONG)
            worker = await busiest(workers)
            beside = asyncio.gather(*(stub.Compress(QUICK) for _ in range(20)))
            os.kill(worker, signal.SIGKILL)
            assert await long.code() == grpc.StatusCode.INTERNAL
            assert "ended the process that worked on it (signal 9)" in (await long.details() or "")
            assert all(answer.data for answer in await beside)
            answers = await asyncio.gather(*(stub.Compress(QUICK) for _ in range(4)))
            assert all(answer.data for answer in answers)
            after = workers_of(server)
            assert len(after) == 2
            assert worker not in after
        server.terminate()
        assert await server.exit_code() == 0
        assert "a worker ended in a compress of" in server.log
        assert "Traceback" not in server.log


async def test_template_killed() -> None:
    """SIGKILL of the process that workers are forked from costs no call; the workers go on, another forks."""
    async with server_process("services.compressor", "--threads", "2", "--warm-up", "false") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = CompressorServiceStub(channel)
            first = workers_of(server)
            for _ in range(5):
                template = next(
                    pid for pid in _children(server._process.pid) if "forkserver" in words_of(pid)
                )
                os.kill(template, signal.SIGKILL)
                answers = await asyncio.gather(*(stub.Compress(QUICK) for _ in range(20)))
                assert all(answer.data for answer in answers)
            assert all("forkserver" in words_of(pid) for pid in first)  # still there
            os.kill(first[0], signal.SIGKILL)
            codes = await asyncio.gather(*(stub.Compress(QUICK).code() for _ in range(20)))
            assert sum(code is not grpc.StatusCode.OK for code in codes) <= 1  # the one that it may have had
            assert len(workers_of(server)) == 1  # of the new one
        server.terminate()
        assert await server.exit_code() == 0
        assert "Traceback" not in server.log


async def test_worker_out_of_memory() -> None:
    """An image for which a worker may not have the memory is refused; calls beside and after it are not."""
    buffer = io.BytesIO()
    Image.new("P", (8000, 8000)).save(buffer, "PNG", compress_level=1)
    blowing = pb.CompressRequest(image=buffer.getvalue(), options=QUICK.options)
    options = ("--threads", "2", "--warm-up", "false", "--worker-memory-mb", "150")
    async with server_process("services.compressor", *options) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = CompressorServiceStub(channel)
            await stub.Compress(QUICK)
            large = stub.Compress(blowing)
            beside = await asyncio.gather(*(stub.Compress(QUICK) for _ in range(20)))
            assert all(answer.data for answer in beside)
            assert await large.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "more memory than a request may take" in (await large.details() or "")
            assert (await stub.Compress(QUICK)).data
        server.terminate()
        assert await server.exit_code() == 0
        assert "Traceback" not in server.log


async def test_a_stream_whose_server_is_killed() -> None:
    """A stream to a server that is killed ends with the sentence on a server that is not there."""
    async with (
        server_process("services.compressor", "--warm-up", "false", "--isolation", "thread") as server,
        GanpressClient(compressor=server.address, timeout_s=60) as client,
    ):

        async def requests() -> AsyncIterator[tuple[str, pb.CompressRequest]]:
            while True:
                yield "", QUICK

        outcomes = client.compress_many(requests())
        for _ in range(20):
            assert not isinstance((await anext(outcomes)).result, Exception)
        server.kill()
        with pytest.raises(UnreachableError, match=f"cannot reach the compressor at {server.address}"):
            await last(outcomes)


async def last(outcomes: AsyncIterator[object]) -> None:
    """Reads all that is left."""
    async for _ in outcomes:
        pass

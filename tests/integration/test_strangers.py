"""What strangers can make a service do."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import grpc
from ganpress.v1.compressor_service_pb2 import CompressRequest
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub

from services.common.server import CHANNEL_OPTIONS
from tests.helpers.servers import server_process

_LARGE_BYTES = 60_000_000


def peak_of(pid: int) -> int:
    """Most bytes of memory that a process has held."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match
    return int(match[1]) * 1024


async def test_messages_are_not_read(tmp_path: Path) -> None:
    """However much strangers send, they are refused before it is read, and it takes no memory."""
    callers = tmp_path / "callers.toml"
    callers.write_text(f'[callers.a]\ntoken_sha256 = "{"0" * 64}"\nscopes = ["compress"]\n')
    options = ("--callers", str(callers), "--warm-up", "false", "--isolation", "thread")
    async with server_process("services.compressor", *options) as server:
        pid = server._process.pid
        async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
            stub = CompressorServiceStub(channel)
            assert await stub.Compress(CompressRequest()).code() == grpc.StatusCode.UNAUTHENTICATED
            before = peak_of(pid)
            request = CompressRequest(image=bytes(_LARGE_BYTES))
            codes = await asyncio.gather(*(stub.Compress(request).code() for _ in range(4)))
            assert set(codes) == {grpc.StatusCode.UNAUTHENTICATED}
            assert peak_of(pid) - before < _LARGE_BYTES / 4

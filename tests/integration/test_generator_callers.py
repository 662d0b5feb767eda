"""The generator as a process, and callers that are processes and die."""

from __future__ import annotations

import asyncio
import signal
import sys
import urllib.request
from pathlib import Path

import grpc
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub

from tests.helpers.servers import metrics_url, server_process

CALLER = """
import sys, grpc
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
stub = GeneratorServiceStub(grpc.insecure_channel(sys.argv[1]))
for _ in stub.GenerateStream(pb.GenerateStreamRequest(request=pb.GenerateRequest(count=100_000))):
    print("an answer", flush=True)
"""


async def test_a_caller_that_is_killed(model_root: Path) -> None:
    """What a killed caller had asked for is dropped: nothing of it stays under way, others are served."""
    models = ("--models", str(model_root), "--metrics-port", "0")
    async with server_process("services.generator", *models) as server:
        metrics = metrics_url(server.log)
        callers = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", CALLER, server.address, stdout=asyncio.subprocess.PIPE
            )
            for _ in range(3)
        ]
        for caller in callers:
            assert caller.stdout
            await caller.stdout.readline()
        assert await _images_under_way(metrics) > 0
        for caller in callers:
            caller.send_signal(signal.SIGKILL)
            await caller.wait()
        while await _images_under_way(metrics):
            pass
        async with grpc.aio.insecure_channel(server.address) as channel:
            answer = await GeneratorServiceStub(channel).Generate(pb.GenerateRequest(count=2))
        assert len(answer.images) == 2


async def _images_under_way(url: str) -> float:
    """Returns how many images the server says it has accepted and not answered."""
    text = await asyncio.to_thread(lambda: urllib.request.urlopen(url).read().decode())
    lines = [line for line in text.splitlines() if line.startswith("ganpress_generator_images_under_way")]
    return sum(float(line.split()[-1]) for line in lines)

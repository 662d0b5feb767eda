"""Our own server, in its one default configuration."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import grpc
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from ganpress.v1.image_pb2 import IMAGE_FORMAT_RAW_U8

from benchmarks.serving import models
from benchmarks.serving.load import Ask
from benchmarks.serving.processes import Processes, running
from services.common.server import CHANNEL_OPTIONS

_MOST_IN_ONE_ANSWER = 64


def server(root: Path, *options: str) -> AbstractAsyncContextManager[tuple[Processes, str]]:
    """Runs the generator on a free port; yields its processes and its address."""
    command = (sys.executable, "-m", "services.generator", "--port", "0", "--models", str(root), *options)
    return running(command, r"listening on (\S+)")


@asynccontextmanager
async def asking(address: str, size_px: int) -> AsyncIterator[Ask]:
    """Yields a function that asks for raw samples: few in one answer, many as a stream."""
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        stub = GeneratorServiceStub(channel)

        async def ask(seed: int, count: int) -> int:
            request = pb.GenerateRequest(
                model=models.name(size_px), count=count, seed=seed, format=IMAGE_FORMAT_RAW_U8
            )
            if count <= _MOST_IN_ONE_ANSWER:
                return len((await stub.Generate(request)).images)
            images = 0
            async for answer in stub.GenerateStream(pb.GenerateStreamRequest(request=request)):
                images += len(answer.images)
            return images

        yield ask

"""How callers ask servers: by our API, by the Open Inference Protocol, over HTTP."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache

import aiohttp
import grpc
import numpy as np
from ganpress.inference import grpc_service_pb2 as inference
from ganpress.inference.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from ganpress.v1.image_pb2 import IMAGE_FORMAT_RAW_U8

from benchmarks.serving import models
from benchmarks.serving.load import Ask
from benchmarks.serving.processes import Processes
from services.common.server import CHANNEL_OPTIONS

Asking = Callable[[int, int], AbstractAsyncContextManager[Ask]]
"""From a port and the side of an image to a function that asks for images."""

_MOST_IN_ONE_ANSWER = 64


@cache
def latents(count: int) -> bytes:
    """Returns latent vectors, float32 [count, Z_DIM], as bytes."""
    return np.random.default_rng(0).standard_normal((count, models.Z_DIM)).astype(np.float32).tobytes()


@asynccontextmanager
async def by_our_api(port: int, size_px: int) -> AsyncIterator[Ask]:
    """Asks for bare samples of seeds: few in one answer, many as a stream."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL_OPTIONS) as channel:
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


def by_open_inference(*, ours: bool = False) -> Asking:
    """Asks by ModelInfer with latent vectors; `ours` says in a parameter that samples are wanted."""

    @asynccontextmanager
    async def asking(port: int, size_px: int) -> AsyncIterator[Ask]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL_OPTIONS) as channel:
            stub = GRPCInferenceServiceStub(channel)

            async def ask(_: int, count: int) -> int:
                request = inference.ModelInferRequest(model_name=models.name(size_px))
                request.inputs.add(name="z", datatype="FP32", shape=[count, models.Z_DIM])
                request.raw_input_contents.append(latents(count))
                if ours:
                    request.parameters["format"].string_param = "UINT8"
                answer = await stub.ModelInfer(request)
                return len(answer.raw_output_contents[0]) // (3 * size_px * size_px)

            yield ask

    return asking


@asynccontextmanager
async def by_http(port: int, size_px: int) -> AsyncIterator[Ask]:
    """Asks by POST with latent vectors in base64; the samples come in base64, too, or as they are."""
    async with aiohttp.ClientSession() as session:

        async def ask(_: int, count: int) -> int:
            vectors = np.frombuffer(latents(count), np.uint8).reshape(count, -1)
            body = {"z": [base64.b64encode(row.tobytes()).decode() for row in vectors]}
            async with session.post(f"http://127.0.0.1:{port}/generate", json=body) as response:
                response.raise_for_status()
                if response.content_type == "application/octet-stream":
                    return len(await response.read()) // (3 * size_px * size_px)
                return sum(len(base64.b64decode(image)) > 0 for image in await response.json())

        yield ask


async def wait_until_ready(ask: Ask, server: Processes, timeout_s: float = 180) -> None:
    """Asks for an image until it comes.

    Raises:
        RuntimeError: The server ended, or gave none in time; the message has its last words.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + timeout_s
    while server.is_alive and loop.time() < end_s:
        try:
            if await asyncio.wait_for(ask(0, 1), 30) == 1:
                return
        except (grpc.RpcError, aiohttp.ClientError, OSError, TimeoutError):
            await asyncio.sleep(0.2)
    raise RuntimeError(f"the server gave no image: {server.last_words}")

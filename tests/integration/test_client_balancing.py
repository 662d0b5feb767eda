"""A client with several servers behind one address: calls in turn, and none lost when a server goes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.request import urlopen

import grpc
from ganpress.v1.generator_service_pb2 import GenerateRequest
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from prometheus_client.parser import text_string_to_metric_families

from client.channel import open_channel
from tests.helpers.servers import ServerProcess, metrics_url, server_process

_CALLS = 12


async def calls_of(server: ServerProcess) -> int:
    """Returns how many calls have come to a server."""
    text = await asyncio.to_thread(lambda: urlopen(metrics_url(server.log)).read().decode())
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return int(
        sum(
            sample.value
            for sample in samples
            if sample.name == "grpc_server_started_total" and sample.labels["grpc_method"] == "Generate"
        )
    )


async def draw(channel: grpc.aio.Channel, count: int) -> int:
    """Returns how many of so many calls one after the other gave an image."""
    stub = GeneratorServiceStub(channel)
    answers = [
        await stub.Generate(GenerateRequest(label="sedan", seed=seed, count=1), timeout=30)
        for seed in range(count)
    ]
    return sum(len(answer.images) for answer in answers)


async def test_calls_go_in_turn_and_on_when_a_server_goes(model_root: Path) -> None:
    """Both of two servers get calls; when one is killed, or told to stop, amid calls, none fails."""
    options = ("--models", str(model_root), "--metrics-port", "0", "--grace-s", "10")
    async with (
        server_process("services.generator", *options) as first,
        server_process("services.generator", *options) as second,
        server_process("services.generator", *options) as third,
        open_channel(f"ipv4:{first.address},{second.address},{third.address}") as channel,
    ):
        await channel.channel_ready()
        assert await draw(channel, _CALLS) == _CALLS
        while not all(counts := [await calls_of(server) for server in (first, second, third)]):
            await draw(channel, _CALLS)  # a connection may have come late
        drawing = asyncio.gather(*[draw(channel, _CALLS) for _ in range(8)])
        await asyncio.sleep(0.05)
        first.kill()
        second.terminate()
        assert await drawing == [_CALLS] * 8
        assert await second.exit_code() == 0
        before = sum(counts)
        assert await draw(channel, _CALLS) == _CALLS
        assert await calls_of(third) > before / 3

"""Health: names that come and go, watchers, and the end of the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1.health_pb2_grpc import HealthStub, add_HealthServicer_to_server

from services.common.health import Health

SERVING, NOT_SERVING, UNKNOWN = (
    pb.HealthCheckResponse.SERVING,
    pb.HealthCheckResponse.NOT_SERVING,
    pb.HealthCheckResponse.SERVICE_UNKNOWN,
)


@pytest.fixture
def health() -> Health:
    """A health servicer that knows nothing yet."""
    return Health()


@pytest.fixture
async def stub(health: Health, tmp_path: Path) -> AsyncIterator[HealthStub]:
    """A client of `health`."""
    server = grpc.aio.server()
    add_HealthServicer_to_server(health, server)
    server.add_insecure_port(f"unix:{tmp_path / 's'}")
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{tmp_path / 's'}") as channel:
        yield HealthStub(channel)
    await server.stop(0)


def asked(name: str) -> pb.HealthCheckRequest:
    """A request for a name's state."""
    return pb.HealthCheckRequest(service=name)


async def test_check(stub, health):
    """A name is what was set last; before and after it is NOT_FOUND, with a sentence."""
    assert (await stub.Check(asked(""))).status == NOT_SERVING
    for serving, status in ((True, SERVING), (False, NOT_SERVING)):
        health.set("cars", serving=serving)
        assert (await stub.Check(asked("cars"))).status == status
    health.remove("cars")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(asked("cars"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "there is no service 'cars'"


async def test_watchers(stub, health):
    """A watcher hears each state of its name, also after another watcher of the name has left."""
    leaving, staying = stub.Watch(asked("cars")), stub.Watch(asked("cars"))
    for watch in (leaving, staying):
        assert (await watch.read()).status == UNKNOWN
    health.set("cars", serving=True)
    for watch in (leaving, staying):
        assert (await watch.read()).status == SERVING
    leaving.cancel()
    await asyncio.wait_for(leaving.code(), 10)
    health.set("dogs", serving=True)
    health.set("cars", serving=False)
    assert (await staying.read()).status == NOT_SERVING
    health.remove("cars")
    assert (await staying.read()).status == UNKNOWN


async def test_stop(stub, health):
    """When the server stops, watchers hear NOT_SERVING and their watches end; nothing serves any more."""
    health.set("cars", serving=True)
    watch = stub.Watch(asked("cars"))
    assert (await watch.read()).status == SERVING
    health.stop()
    assert (await watch.read()).status == NOT_SERVING
    assert await watch.read() is grpc.aio.EOF
    health.set("cars", serving=True)
    assert (await stub.Check(asked("cars"))).status == NOT_SERVING

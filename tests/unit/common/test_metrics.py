"""Metrics as Prometheus reads them: over HTTP, from a server with real calls."""

from __future__ import annotations

import asyncio
import urllib.request

import grpc
import pytest
from ganpress.v1 import compressor_service_pb2 as pb
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from services.common.metrics import code_name
from services.common.server import Server, ServerOptions
from services.common.starting import AddressError
from services.common.version import GANPRESS_VERSION
from tests.helpers.servers import metrics_url
from tests.unit.common.test_server import SlowLifecycle, failing_services


def scrape(url: str, accept: str = "text/plain") -> str:
    """Reads metrics as Prometheus does."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def values(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Returns every sample by its name and labels."""
    samples = [sample for family in parse_text(text) for sample in family.samples]
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}


async def test_calls(tmp_path, caplog):
    """Calls are counted by method and code when they end, with their duration; unknown methods are not."""
    caplog.set_level("INFO")
    server = Server(failing_services(), ServerOptions(metrics_port=0))
    address = await server.start(f"unix:{tmp_path / 's'}")
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            stub = CompressorServiceStub(channel)
            for _ in range(3):
                await stub.ListCodecs(pb.ListCodecsRequest())
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.Decompress(pb.DecompressRequest())
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary("/ganpress.v1.CompressorService/Guess")(b"")
            stream = stub.CompressStream()
            await stream.write(pb.CompressStreamRequest(key="known"))
            await stream.read()
            stream.cancel()
            text = await asyncio.to_thread(scrape, metrics_url(caplog.text))
    finally:
        await server.stop()
    found = values(text)
    base = {"grpc_service": "ganpress.v1.CompressorService", "grpc_type": "unary"}

    def value(name: str, **labels: str) -> float | None:
        return found.get((name, frozenset((base | labels).items())))

    assert value("grpc_server_started_total", grpc_method="ListCodecs") == 3
    assert value("grpc_server_handled_total", grpc_method="ListCodecs", grpc_code="OK") == 3
    assert value("grpc_server_handled_total", grpc_method="Decompress", grpc_code="OutOfRange") == 1
    assert value("grpc_server_handling_seconds_count", grpc_method="ListCodecs") == 3
    assert value("grpc_server_handling_seconds_bucket", grpc_method="ListCodecs", le="+Inf") == 3
    assert value("grpc_server_started_total", grpc_type="bidi_stream", grpc_method="CompressStream") == 1
    assert "Guess" not in text
    assert found["ganpress_build_info", frozenset({("version", GANPRESS_VERSION)})] == 1
    assert ("process_resident_memory_bytes", frozenset()) in found


async def test_deadline(tmp_path, caplog):
    """A call whose deadline passes is told from one whose caller leaves."""
    caplog.set_level("INFO")
    lifecycle = SlowLifecycle()
    server = Server(failing_services(lifecycle), ServerOptions(metrics_port=0))
    starting = asyncio.create_task(server.start(f"unix:{tmp_path / 's'}"))
    async with grpc.aio.insecure_channel(f"unix:{tmp_path / 's'}") as channel:
        await channel.channel_ready()
        stub = CompressorServiceStub(channel)
        late, left = (
            stub.ListCodecs(pb.ListCodecsRequest(), timeout=0.2),
            stub.ListCodecs(pb.ListCodecsRequest()),
        )
        assert await late.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        left.cancel()
        wanted = {"DeadlineExceeded", "Canceled"}
        while not wanted <= (codes := codes_of(await asyncio.to_thread(scrape, metrics_url(caplog.text)))):
            pass
    assert codes == wanted
    lifecycle.may_start.set()
    await starting
    await server.stop()


def codes_of(text: str) -> set[str]:
    """The status codes of the calls that ended."""
    return {dict(labels)["grpc_code"] for name, labels in values(text) if name == "grpc_server_handled_total"}


async def test_openmetrics(tmp_path, caplog):
    """The same is given in the OpenMetrics format, which Prometheus asks for first."""
    caplog.set_level("INFO")
    server = Server(failing_services(), ServerOptions(metrics_port=0))
    await server.start(f"unix:{tmp_path / 's'}")
    try:
        text = await asyncio.to_thread(scrape, metrics_url(caplog.text), "application/openmetrics-text")
    finally:
        await server.stop()
    names = {family.name for family in parse_openmetrics(text)}
    assert {"grpc_server_started", "grpc_server_handled", "grpc_server_handling_seconds"} <= names


async def test_port_in_use(tmp_path, caplog):
    """A metrics port that is taken is refused with a sentence, and the server's own port is free again."""
    caplog.set_level("INFO")
    first = Server([], ServerOptions(metrics_port=0))
    await first.start(f"unix:{tmp_path / 's'}")
    port = int(metrics_url(caplog.text).split(":")[2].split("/")[0])
    second = Server([], ServerOptions(metrics_port=port))
    try:
        with pytest.raises(AddressError, match=f"cannot serve metrics on port {port} of '127.0.0.1'"):
            await second.start(f"unix:{tmp_path / 't'}")
    finally:
        await first.stop()
    third = Server([], ServerOptions(metrics_port=port))
    await third.start(f"unix:{tmp_path / 't'}")
    await third.stop()


def test_code_names():
    """Status codes are spelt as in Go, whose names the dashboards know."""
    assert code_name(grpc.StatusCode.OK) == "OK"
    assert code_name(grpc.StatusCode.CANCELLED) == "Canceled"
    assert code_name(grpc.StatusCode.DEADLINE_EXCEEDED) == "DeadlineExceeded"

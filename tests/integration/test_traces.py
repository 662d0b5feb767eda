"""Traces as a user gets them: client and services send theirs to a collector of OpenTelemetry."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as stubs
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.helpers.images import png_file
from tests.helpers.servers import server_process


class Collector(stubs.TraceServiceServicer):
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        """Spans with the names of their services."""

    def Export(  # noqa: N802 - the protobuf API's name
        self, request: pb.ExportTraceServiceRequest, _: Any
    ) -> pb.ExportTraceServiceResponse:
        """Takes spans."""
        for resource in request.resource_spans:
            name = next(
                item.value.string_value for item in resource.resource.attributes if item.key == "service.name"
            )
            self.spans += [(name, span) for scope in resource.scope_spans for span in scope.spans]
        return pb.ExportTraceServiceResponse()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that listens where the standard variable says."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    stubs.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    yield collector
    server.stop(None)


async def client(*arguments: object) -> tuple[int, bytes, str]:
    """Runs the command line; returns exit code, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from client.cli import main; main()", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ,
    )
    stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stdout, stderr.decode()


async def test_one_trace(collector: Collector, model_root: Path, tmp_path: Path) -> None:
    """A command, its calls and what services do for them are one trace, which holds no image data."""
    image = tmp_path / "image.png"
    image.write_bytes(png_file(16, 16))
    async with (
        server_process(
            "services.generator", "--models", str(model_root), "--traces", "otlp", "--watch-s", "0"
        ) as generator,
        server_process("services.compressor", "--traces", "otlp", "--warm-up", "false") as compressor,
    ):
        code, _, told = await client(
            *("--traces", "otlp", "generate", "--label", "suv", "-o", tmp_path / "suv.png"),
            *("--generator", generator.address),
        )
        assert code == 0, told
        code, _, told = await client(
            *("--traces", "otlp", "compress", image, image, "--method", "png", "-o", f"{tmp_path}/small/"),
            *("--compressor", compressor.address),
        )
        for server in (generator, compressor):
            server.terminate()
            assert await server.exit_code() == 0
            assert "Traceback" not in server.log
    spans = collector.spans
    roots = {
        span.name: span for service, span in spans if service == "ganpress-client" and not span.parent_span_id
    }
    assert set(roots) == {"client generate", "client compress"}
    for command, method in (
        ("client generate", "ganpress.v1.GeneratorService/Generate"),
        ("client compress", "ganpress.v1.CompressorService/CompressStream"),
    ):
        root = roots[command]
        trace = [span for _, span in spans if span.trace_id == root.trace_id]
        asked = next(span for span in trace if span.name == method and span.kind == Span.SPAN_KIND_CLIENT)
        served = next(span for span in trace if span.name == method and span.kind == Span.SPAN_KIND_SERVER)
        assert asked.parent_span_id == root.span_id
        assert served.parent_span_id == asked.span_id
        assert asked.start_time_unix_nano <= served.start_time_unix_nano <= served.end_time_unix_nano
    assert {service for service, _ in spans} == {
        "ganpress-client",
        "ganpress.v1.GeneratorService",
        "ganpress.v1.CompressorService",
    }
    assert max(len(span.SerializeToString()) for _, span in spans) < 1000


async def test_no_collector(monkeypatch: pytest.MonkeyPatch, model_root: Path, tmp_path: Path) -> None:
    """Where no collector listens, a command does its work and ends all the same, without a word of it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))
    command = client("--traces", "otlp", "generate", "--label", "suv", "-o", tmp_path / "suv.png")
    code, _, told = await asyncio.wait_for(command, 60)
    assert (code, told.count("\n")) == (0, 1)
    assert told.startswith("cars-suv-")

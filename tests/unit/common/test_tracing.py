"""Traces: a span for each call, under the caller's."""

from __future__ import annotations

import grpc
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.common.server import Server, ServerOptions
from services.common.tracing import Tracer
from services.generator.service import build_service
from services.generator.settings import GeneratorSettings


async def test_spans(model_root, tmp_path):
    """A call is a span of the caller's trace with method, status and request id; a failed one is an error."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    server = Server(
        [build_service(GeneratorSettings(models=model_root, watch_s=0))], ServerOptions(grace_s=0)
    )
    server._interceptor.tracer = Tracer(provider)
    address = await server.start(f"unix:{tmp_path / 's'}")
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with grpc.aio.insecure_channel(address) as channel:
        stub = GeneratorServiceStub(channel)
        metadata = (("traceparent", parent), ("x-request-id", "mine"))
        await stub.Generate(pb.GenerateRequest(model="dogs", count=1), metadata=metadata)
        await stub.GetModel(pb.GetModelRequest(name="none")).code()
    await server.stop()
    drawn, failed = spans.get_finished_spans()
    assert drawn.name == "ganpress.v1.GeneratorService/Generate"
    assert f"{drawn.context.trace_id:x}" == "af7651916cd43dd8448eb211c80319c"
    assert f"{drawn.parent.span_id:x}" == "b7ad6b7169203331"
    assert drawn.attributes["rpc.grpc.status_code"] == 0
    assert drawn.attributes["ganpress.request_id"] == "mine"
    assert failed.attributes["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert not failed.status.is_ok

"""The server around services: errors become statuses, health, reflection, addresses."""

# ruff: noqa: N802, ARG002, D102  # servicers have the names and arguments of the protobuf API

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc
import pytest
from ganpress.v1 import compressor_service_pb2 as compressor_pb
from ganpress.v1 import compressor_service_pb2_grpc as compressor_grpc
from ganpress.v1 import generator_service_pb2 as generator_pb
from ganpress.v1 import generator_service_pb2_grpc as generator_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.common.server import MAX_MESSAGE_BYTES, AddressError, Server, Service
from tests.helpers.servers import serving

GENERATOR = "ganpress.v1.GeneratorService"
COMPRESSOR = "ganpress.v1.CompressorService"


class ColourError(Exception):
    """An error that a service knows."""


class DarkColourError(ColourError):
    """One that the table has only by its base class."""


ERRORS = {
    "known": ColourError("no such colour"),
    "derived": DarkColourError("too dark"),
    "bug": KeyError("secret"),
}


class FailingGenerator(generator_grpc.GeneratorServiceServicer):
    """Raises the error that the request's name stands for; Generate gives one image first."""

    async def ListModels(self, request, context):
        return generator_pb.ListModelsResponse()

    async def GetModel(self, request, context):
        if request.name == "abort":
            await context.abort(grpc.StatusCode.ABORTED, "said the servicer")
        raise ERRORS[request.name]

    async def Generate(self, request, context):
        yield generator_pb.GenerateResponse()
        raise ERRORS[request.model]


class FailingCompressor(compressor_grpc.CompressorServiceServicer):
    """Raises in the bidirectional stream after the first answer."""

    async def ListCodecs(self, request, context):
        return compressor_pb.ListCodecsResponse()

    async def Compress(self, request, context):
        return compressor_pb.CompressResponse(data=request.image)

    async def Decompress(self, request, context):
        raise ColourError("of the compressor")

    async def CompressStream(self, request_iterator, context):
        async for request in request_iterator:
            yield compressor_pb.CompressStreamResponse(key=request.key)
            raise ERRORS[request.key]


class Lifecycle:
    """Records what the server does with a service."""

    def __init__(self, error: Exception | None = None) -> None:
        self.events: list[str] = []
        self.error = error

    async def start(self) -> None:
        """Starts, or raises the error it was given."""
        self.events.append("start")
        if self.error:
            raise self.error

    async def stop(self) -> None:
        """Stops."""
        self.events.append("stop")


def failing_services(lifecycle: Lifecycle | None = None) -> Sequence[Service]:
    """Two services that answer ColourError with different codes."""
    lifecycle = lifecycle or Lifecycle()
    return [
        Service(
            GENERATOR,
            lambda server: generator_grpc.add_GeneratorServiceServicer_to_server(FailingGenerator(), server),
            {ColourError: grpc.StatusCode.NOT_FOUND},
            lifecycle.start,
            lifecycle.stop,
        ),
        Service(
            COMPRESSOR,
            lambda server: compressor_grpc.add_CompressorServiceServicer_to_server(
                FailingCompressor(), server
            ),
            {ColourError: grpc.StatusCode.OUT_OF_RANGE},
            lifecycle.start,
            lifecycle.stop,
        ),
    ]


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to both failing services."""
    async with serving(failing_services(), tmp_path) as channel:
        yield channel


EXPECTED = [
    ("known", grpc.StatusCode.NOT_FOUND, "no such colour"),
    ("derived", grpc.StatusCode.NOT_FOUND, "too dark"),
    ("bug", grpc.StatusCode.INTERNAL, "internal error"),
]


@pytest.mark.parametrize(
    ("name", "code", "message"), [*EXPECTED, ("abort", grpc.StatusCode.ABORTED, "said the servicer")]
)
async def test_unary_error(channel, name, code, message):
    """A unary call's exception is answered with its code and message, an unknown one leaks nothing."""
    stub = generator_grpc.GeneratorServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetModel(generator_pb.GetModelRequest(name=name))
    assert (caught.value.code(), caught.value.details()) == (code, message)


@pytest.mark.parametrize(("name", "code", "message"), EXPECTED)
async def test_stream_error(channel, name, code, message):
    """What a stream gave before its exception arrives, then the status."""
    stub = generator_grpc.GeneratorServiceStub(channel)
    call = stub.Generate(generator_pb.GenerateRequest(model=name))
    assert await call.read() == generator_pb.GenerateResponse()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert (caught.value.code(), caught.value.details()) == (code, message)


async def test_bidirectional_error(channel):
    """A bidirectional stream's exception is answered from the table of its own service."""
    stub = compressor_grpc.CompressorServiceStub(channel)
    call = stub.CompressStream(iter([compressor_pb.CompressStreamRequest(key="known")]))
    assert (await call.read()).key == "known"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() == grpc.StatusCode.OUT_OF_RANGE


async def test_unknown_error_is_logged(channel, caplog):
    """The server's log has the traceback that the caller must not see."""
    stub = generator_grpc.GeneratorServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.GetModel(generator_pb.GetModelRequest(name="bug"))
    assert f"/{GENERATOR}/GetModel failed" in caplog.text
    assert "KeyError: 'secret'" in caplog.text


async def test_unimplemented_method(channel):
    """A method that does not exist is UNIMPLEMENTED, in a known service and in an unknown one."""
    for method in (f"/{GENERATOR}/Paint", "/ganpress.v1.PainterService/Paint"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(method)(b"")
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_large_message(channel):
    """Messages far above gRPC's default limit of 4 MB pass both ways; above ours they are refused."""
    stub = compressor_grpc.CompressorServiceStub(channel)
    image = bytes(20_000_000)
    assert (await stub.Compress(compressor_pb.CompressRequest(image=image))).data == image
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Compress(compressor_pb.CompressRequest(image=bytes(MAX_MESSAGE_BYTES + 1)))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("name", ["", GENERATOR, COMPRESSOR])
async def test_health(channel, name):
    """The whole server and each service report SERVING."""
    stub = health_pb2_grpc.HealthStub(channel)
    assert (
        await stub.Check(health_pb2.HealthCheckRequest(service=name))
    ).status == health_pb2.HealthCheckResponse.SERVING


async def test_health_of_unknown_service(channel):
    """Health of a service that is not there is NOT_FOUND."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service="ganpress.v1.Painter")
        )
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_reflection(channel):
    """Reflection lists the services and gives their descriptors."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=GENERATOR),
    ]
    listing, file = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]
    names = {service.name for service in listing.list_services_response.service}
    assert {GENERATOR, COMPRESSOR, "grpc.health.v1.Health"} <= names
    assert b"GenerateRequest" in file.file_descriptor_response.file_descriptor_proto[0]


async def test_health_when_stopping(tmp_path):
    """A health watcher hears NOT_SERVING before the server ends."""
    server = Server(failing_services(), grace_s=0.5)
    address = await server.start(f"unix:{tmp_path / 's'}")
    async with grpc.aio.insecure_channel(address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=GENERATOR))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        stopping = asyncio.create_task(server.stop())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        await stopping


async def test_services_start_and_stop(tmp_path):
    """Every service is started once before the server answers and stopped once in the end."""
    lifecycle = Lifecycle()
    async with serving(failing_services(lifecycle), tmp_path) as channel:
        await generator_grpc.GeneratorServiceStub(channel).ListModels(generator_pb.ListModelsRequest())
        assert lifecycle.events == ["start", "start"]
    assert lifecycle.events == ["start", "start", "stop", "stop"]


async def test_failing_start(tmp_path):
    """An exception of a service's start comes out of the server's start, and what started is stopped."""
    lifecycle = Lifecycle(ColourError("no paint"))
    server = Server(failing_services(lifecycle))
    with pytest.raises(ColourError, match="no paint"):
        await server.start(f"unix:{tmp_path / 's'}")
    assert lifecycle.events == ["start", "stop", "stop"]


async def test_port_in_use():
    """A port that another server has is refused with a sentence that names it."""
    first, second = Server([]), Server([])
    address = await first.start("127.0.0.1:0")
    try:
        assert not address.endswith(":0")
        with pytest.raises(AddressError, match=f"cannot listen on '{address}'"):
            await second.start(address)
    finally:
        await first.stop()


async def test_socket_in_use(tmp_path):
    """A Unix socket that another server has is refused; one that a dead server left behind is taken."""
    address = f"unix:{tmp_path / 's'}"
    first, second = Server([]), Server([])
    await first.start(address)
    try:
        with pytest.raises(AddressError, match="another server does"):
            await second.start(address)
    finally:
        await first.stop()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    assert await second.start(address) == address
    await second.stop()


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:x", "unix:/no/such/dir/s", ""])
async def test_bad_address(address):
    """An address that makes no sense is refused with a sentence that names it."""
    with pytest.raises(AddressError, match="cannot listen on"):
        await Server([]).start(address)

"""The server around services: errors become statuses, health, reflection, addresses."""

# ruff: noqa: N802, ARG002, D102  # servicers have the names and arguments of the protobuf API

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import grpc
import pytest
from ganpress.v1 import compressor_service_pb2 as compressor_pb
from ganpress.v1 import compressor_service_pb2_grpc as compressor_grpc
from ganpress.v1 import generator_service_pb2 as generator_pb
from ganpress.v1 import generator_service_pb2_grpc as generator_grpc
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.common.health import Health
from services.common.server import MAX_MESSAGE_BYTES, Api, Server, ServerOptions, Service
from services.common.starting import AddressError
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
    """Raises the error that the request's name stands for; GenerateStream gives one message first."""

    async def ListModels(self, request, context):
        return generator_pb.ListModelsResponse()

    async def GetModel(self, request, context):
        if request.name == "abort":
            await context.abort(grpc.StatusCode.ABORTED, "said the servicer")
        raise ERRORS[request.name]

    async def GenerateStream(self, request, context):
        yield generator_pb.GenerateStreamResponse()
        raise ERRORS[request.request.model]


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

    async def start(self, health: Health) -> None:
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
            [
                Api(
                    generator_pb.DESCRIPTOR.services_by_name["GeneratorService"],
                    partial(generator_grpc.add_GeneratorServiceServicer_to_server, FailingGenerator()),
                    {ColourError: grpc.StatusCode.NOT_FOUND},
                )
            ],
            lifecycle.start,
            lifecycle.stop,
        ),
        Service(
            [
                Api(
                    compressor_pb.DESCRIPTOR.services_by_name["CompressorService"],
                    partial(compressor_grpc.add_CompressorServiceServicer_to_server, FailingCompressor()),
                    {ColourError: grpc.StatusCode.OUT_OF_RANGE},
                )
            ],
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


def stream_request(model: str) -> generator_pb.GenerateStreamRequest:
    """A request for a stream of a model's images."""
    return generator_pb.GenerateStreamRequest(request=generator_pb.GenerateRequest(model=model))


@pytest.mark.parametrize(("name", "code", "message"), EXPECTED)
async def test_stream_error(channel, name, code, message):
    """What a stream gave before its exception arrives, then the status."""
    stub = generator_grpc.GeneratorServiceStub(channel)
    call = stub.GenerateStream(stream_request(name))
    assert await call.read() == generator_pb.GenerateStreamResponse()
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


async def test_no_message(channel):
    """A call that carries no message, where the method takes one, is INVALID_ARGUMENT."""
    call = channel.stream_unary(f"/{GENERATOR}/GetModel")(iter(()))
    assert (await call.code(), await call.details()) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "the call carries no message",
    )


@pytest.mark.parametrize("path", [f"/{GENERATOR}/GetModel", f"/{COMPRESSOR}/Decompress"])
async def test_bytes_that_are_no_message(channel, caplog, path):
    """Bytes that are no message of the method's kind are the caller's fault, and no line of the log."""
    call = channel.unary_unary(path)(b"\xff" * 20)
    assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "Traceback" not in caplog.text


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
    """A health watcher hears NOT_SERVING when the server stops, and does not keep it from ending."""
    server = Server(failing_services(), ServerOptions(grace_s=3600))
    address = await server.start(f"unix:{tmp_path / 's'}")
    async with grpc.aio.insecure_channel(address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=GENERATOR))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        stopping = asyncio.create_task(server.stop())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await asyncio.wait_for(stopping, 60)


class SlowLifecycle(Lifecycle):
    """Takes its time to start."""

    def __init__(self) -> None:
        super().__init__()
        self.may_start = asyncio.Event()

    async def start(self, health: Health) -> None:
        """Starts once it may."""
        await super().start(health)
        await self.may_start.wait()


async def test_health_while_starting(tmp_path):
    """Until every service has started, health is answered with NOT_SERVING and other calls wait."""
    lifecycle = SlowLifecycle()
    server = Server(failing_services(lifecycle))
    starting = asyncio.create_task(server.start(f"unix:{tmp_path / 's'}"))
    async with grpc.aio.insecure_channel(f"unix:{tmp_path / 's'}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", GENERATOR):
            request = health_pb2.HealthCheckRequest(service=name)
            answer = await health.Check(request, wait_for_ready=True)
            assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        call = generator_grpc.GeneratorServiceStub(channel).ListModels(generator_pb.ListModelsRequest())
        assert not (await asyncio.wait({asyncio.ensure_future(call)}, timeout=0.1))[0]
        lifecycle.may_start.set()
        await call
        await starting
        answer = await health.Check(health_pb2.HealthCheckRequest(service=GENERATOR))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    await server.stop()


async def test_signal_while_starting(tmp_path):
    """SIGTERM ends a server that has not started yet: waiting calls are UNAVAILABLE, it never gets ready."""
    lifecycle = SlowLifecycle()
    server = Server(failing_services(lifecycle), ServerOptions(grace_s=3600))
    told: list[str] = []
    running = asyncio.create_task(server.run(f"unix:{tmp_path / 's'}", told.append))
    async with grpc.aio.insecure_channel(f"unix:{tmp_path / 's'}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True)
        call = generator_grpc.GeneratorServiceStub(channel).ListModels(generator_pb.ListModelsRequest())
        await asyncio.wait({asyncio.ensure_future(call)}, timeout=0.1)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(running, 60)
        assert await call.code() == grpc.StatusCode.UNAVAILABLE
        assert await call.details() == "the server is stopping"
    assert told == []
    assert lifecycle.events == ["start", "stop", "stop"]


async def test_signal_while_serving(tmp_path):
    """SIGTERM ends a server that serves, in order."""
    lifecycle = Lifecycle()
    ready = asyncio.Event()
    server = Server(failing_services(lifecycle))
    running = asyncio.create_task(server.run(f"unix:{tmp_path / 's'}", lambda _: ready.set()))
    await asyncio.wait_for(ready.wait(), 60)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(running, 60)
    assert lifecycle.events == ["start", "start", "stop", "stop"]


async def test_max_connection_age(tmp_path, caplog):
    """Old connections are replaced without a failed call: calls come from one port after another."""
    caplog.set_level("DEBUG", "services.common.interceptors")
    server = Server(failing_services(), ServerOptions(max_connection_age_s=0.2))
    address = await server.start("127.0.0.1:0")
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            stub = generator_grpc.GeneratorServiceStub(channel)
            while (
                len(peers := {record.fields["peer"] for record in caplog.records if "fields" in vars(record)})
                < 3
            ):
                await stub.ListModels(generator_pb.ListModelsRequest())
    finally:
        await server.stop()
    assert all(peer.startswith("ipv4:127.0.0.1:") for peer in peers)


@pytest.mark.parametrize(("given", "kept"), [("order-66", True), (None, False), ("a" * 129, False)])
async def test_request_id(channel, caplog, given, kept):
    """A call's id is the caller's if it fits into a log, else made up; the answer and the log tell it."""
    caplog.set_level("INFO")
    metadata = (("x-request-id", given),) if given else ()
    stub = generator_grpc.GeneratorServiceStub(channel)
    call = stub.GetModel(generator_pb.GetModelRequest(name="known"), metadata=metadata)
    assert await call.code() == grpc.StatusCode.NOT_FOUND
    told = dict(await call.trailing_metadata())["x-request-id"]
    assert (told == given) == kept
    assert told
    (record,) = [record for record in caplog.records if record.message == "call ended"]
    assert record.fields["code"] == "NOT_FOUND"
    assert record.fields["method"] == f"/{GENERATOR}/GetModel"
    assert record.fields["duration_ms"] > 0


async def test_channelz(tmp_path):
    """Where it is asked for, channelz tells of the server and its calls; where not, it is not there."""
    for channelz in (True, False):
        server = Server(failing_services(), ServerOptions(channelz=channelz))
        address = await server.start(f"unix:{tmp_path / 's'}")
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                stub = channelz_pb2_grpc.ChannelzStub(channel)
                call = stub.GetServers(channelz_pb2.GetServersRequest())
                expected = grpc.StatusCode.OK if channelz else grpc.StatusCode.UNIMPLEMENTED
                assert await call.code() == expected
                if channelz:
                    assert any(s.data.calls_started for s in (await call).server)
        finally:
            await server.stop()


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
        await Server([], ServerOptions(insecure=True)).start(address)


async def test_slow_calls_are_logged(tmp_path, caplog):
    """A call that takes longer than it should is a warning with its method, duration and request id."""
    server = Server(failing_services(), ServerOptions(slow_s=1e-9))
    address = await server.start(f"unix:{tmp_path / 's'}")
    async with grpc.aio.insecure_channel(address) as channel:
        stub = generator_grpc.GeneratorServiceStub(channel)
        await stub.ListModels(generator_pb.ListModelsRequest(), metadata=(("x-request-id", "mine"),))
    await server.stop()
    (record,) = [record for record in caplog.records if record.getMessage() == "slow call ended"]
    assert record.levelname == "WARNING"
    assert record.fields["method"] == f"/{GENERATOR}/ListModels"
    assert record.fields["request_id"] == "mine"

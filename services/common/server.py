"""A gRPC server with access, health, reflection, metrics and an orderly end, for any set of services."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_channelz.v1 import _async as channelz
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2_grpc

from services.common import health, reflection
from services.common.access import Allowance, Guard, Scope
from services.common.access.guard import demand
from services.common.addresses import bind, join, require_protection
from services.common.errors import StatusTable
from services.common.health import Health
from services.common.health_server import HealthServer
from services.common.interceptors import CallInterceptor, Rules
from services.common.logs import leave_out_lost_connections
from services.common.metrics import CallMetrics, Source
from services.common.metrics_server import MetricsServer
from services.common.starting import AddressError
from services.common.tls import Certificates, TlsFiles
from services.common.tracing import Traces, tracer_for

logger = logging.getLogger(__name__)

_CHANNELZ = cast("ServiceDescriptor", cast("Any", channelz_pb2).DESCRIPTOR.services_by_name["Channelz"])
_REFLECTION = Rules({}, scope=None, always=("ServerReflectionInfo",))

MAX_MESSAGE_BYTES = 64 * 2**20
MAX_CONNECTION_CALLS = 512
CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
)
"""Options of both ends of a channel: gRPC's own limit of 4 MB is little more than one raw megapixel."""
STREAM_WINDOW_BYTES = 1 << 20
"""What a client may send of a call before the service reads it: 20 MB/s through a network of 50 ms."""
KEEPALIVE_MS = 20_000
"""How often a client that waits for an answer may ask whether the server is still there."""


@dataclass(frozen=True)
class Api:
    """One gRPC service, ready to be put on a server."""

    descriptor: ServiceDescriptor
    """What it is in the protobuf API."""
    add_to: Callable[[grpc.aio.Server], None]
    """Registers the servicer."""
    errors: StatusTable
    """Status codes of the exceptions that its methods raise for a user to read."""
    always: Collection[str] = ()
    """Methods that are answered before everything has started."""
    scope: Scope = "admin"
    """What a caller needs for its methods."""
    admin: Collection[str] = ()
    """Methods for which it needs "admin" in its place."""

    @property
    def rules(self) -> Rules:
        """How its methods are guarded."""
        return Rules(self.errors, self.scope, self.admin, self.always)


@dataclass(frozen=True)
class Service:
    """What starts and stops as one: the first of its APIs is its own, others show it in another way."""

    apis: Sequence[Api]
    """The gRPC services that it answers."""
    start: Callable[[Health], Awaitable[None]]
    """Loads and warms up, and says then and later which of its parts can be asked, such as models; calls
    are answered only after it."""
    stop: Callable[[], Awaitable[None]]
    """Frees what `start` took; called after the last call has ended, and when `start` failed."""
    metrics: Sequence[Source] = ()
    """What it counts."""

    @property
    def names(self) -> list[str]:
        """Full names of its gRPC services."""
        return [api.descriptor.full_name for api in self.apis]

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The exceptions that `start` raises for a user to read."""
        return tuple(self.apis[0].errors)


@dataclass(frozen=True)
class ServerOptions:
    """How a server behaves, whatever it serves."""

    grace_s: float = 10.0
    """Seconds that running calls may still take when it stops."""
    max_connection_age_s: float = 0.0
    """Seconds after which a connection is asked to end, and its client to connect again; 0 means never."""
    metrics_host: str = "127.0.0.1"
    """Host for the ports of metrics and health."""
    metrics_port: int | None = None
    """Port for `GET /metrics`; 0 takes a free one, None means none."""
    health_port: int | None = None
    """Port of the metrics' host for health in plain text; 0 takes a free one, None means none."""
    channelz: bool = False
    """Whether the server tells about its connections by grpc.channelz.v1."""
    callers: Path | None = None
    """File of callers; None: there is none."""
    allowance: Allowance = field(default_factory=Allowance)
    """What a caller may ask for of whom the file says nothing else."""
    tls: TlsFiles | None = None
    """Certificate and key; None: plain text."""
    slow_s: float = 0.0
    """Calls that take as long or longer are logged as warnings; 0: none."""
    traces: Traces = "off"
    """Where OpenTelemetry's traces go."""
    insecure: bool = False
    """Whether other machines may be served without TLS, or strangers."""


class Server:
    """Serves services on one address, with grpc.health.v1 and server reflection.

    It answers health from the first moment, SERVING once every service has started; other calls wait for
    that. Health knows "" for the whole, each gRPC service by its full name, and what the services add.
    """

    def __init__(self, services: Sequence[Service], options: ServerOptions | None = None) -> None:
        """Takes the services and how to serve them.

        Raises:
            StartError: The file of callers or a certificate cannot be used.
        """
        self._services = services
        self._options = options or ServerOptions()
        self._health = Health()
        self._apis = [api for service in services for api in service.apis]
        self._names = ["", *(api.descriptor.full_name for api in self._apis)]
        self._call_metrics = CallMetrics()
        self._certificates = Certificates(self._options.tls) if self._options.tls else None
        self._guard = Guard(
            self._options.callers,
            demands_certificates=bool(self._certificates and self._certificates.demands_certificates),
            allowance=self._options.allowance,
        )
        self._interceptor = CallInterceptor(
            {
                **{api.descriptor.full_name: api.rules for api in self._apis},
                reflection.DESCRIPTOR.full_name: _REFLECTION,
                _CHANNELZ.full_name: Rules({}, always=_CHANNELZ.methods_by_name),
            },
            self._call_metrics,
            self._guard,
            self._options.slow_s,
            tracer_for(self._options.traces, (self._names[1:] or ["ganpress"])[0]),
        )
        self._health_server: HealthServer | None = None
        self.health_address = ""
        """Where health is told in plain text, once started; empty: nowhere."""
        self._server: grpc.aio.Server | None = None
        self._metrics_server: MetricsServer | None = None

    async def start(self, address: str) -> str:
        """Listens on `host:port` (port 0: any free one) or `unix:/path`, starts the services, serves.

        Returns:
            The address with the real port.

        Raises:
            AddressError: The address is taken or makes no sense, or other machines reach it and it is not
                protected.
        """
        self._check_protection(address)
        self._start_metrics()
        try:
            await self._start_health()
            bound = await self._listen(address)
            for service in self._services:
                await service.start(self._health)
        except BaseException:
            await self.stop()
            raise
        for name in self._names:
            self._health.set(name, serving=True)
        self._interceptor.open()
        return bound

    async def stop(self) -> None:
        """Reports NOT_SERVING, refuses new calls, gives running ones the grace to end, stops the services."""
        self._health.stop()
        self._interceptor.stop()
        if self._server:
            await self._server.stop(self._options.grace_s)
            await self._interceptor.calls_ended()  # gRPC does not wait for those that it cut
            for service in reversed(self._services):
                await service.stop()
        if self._health_server:
            await self._health_server.stop()
        if self._metrics_server:
            await asyncio.to_thread(self._metrics_server.stop)

    async def run(self, address: str, on_ready: Callable[[str], None] | None = None) -> None:
        """Serves until SIGTERM or SIGINT, then stops; a second signal ends the process at once.

        A signal while the services start is heeded as soon as the step under way, such as loading one
        model, is done.

        Args:
            address: As for `start`.
            on_ready: Is told the address with the real port once the services have started.

        Raises:
            AddressError: As `start`.
        """
        signalled = asyncio.Event()
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, signalled.set)
        waiting = asyncio.create_task(signalled.wait())
        starting = asyncio.create_task(self.start(address))
        try:
            await asyncio.wait({waiting, starting}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                bound = starting.result()
                logger.info("listening on %s", bound)
                if on_ready:
                    on_ready(bound)
                await waiting
        finally:
            waiting.cancel()
            for number in signals:
                loop.remove_signal_handler(number)
        if starting.done():
            logger.info("stopping: running calls have %g s to end", self._options.grace_s)
            await self.stop()
        else:
            logger.info("stopping before everything has started")
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
        logger.info("stopped")

    async def _listen(self, address: str) -> str:
        """Answers health, and takes calls, which wait; returns the address with the real port."""
        options = self._options
        leave_out_lost_connections()
        server = grpc.aio.server(interceptors=[self._interceptor], options=_channel_options(options))
        methods = cast("grpc.aio.Server", _ByName(server))
        described = [api.descriptor for api in self._apis]
        for name in self._names:
            self._health.set(name, serving=False)
        for api in self._apis:
            api.add_to(methods)
        cast("Any", health_pb2_grpc).add_HealthServicer_to_server(self._health, methods)
        described.append(health.DESCRIPTOR)
        if options.channelz:
            servicer = cast("Any", channelz).ChannelzServicer()
            cast("Any", channelz_pb2_grpc).add_ChannelzServicer_to_server(servicer, methods)
            described.append(_CHANNELZ)
        reflection.add_reflection(described, methods)
        # Kept: gRPC asks them for a new certificate, and does not keep them alive.
        self._credentials = self._certificates.server_credentials() if self._certificates else None
        bound = bind(server, address, self._credentials)
        self._server = server
        await server.start()
        return bound

    def _check_protection(self, address: str) -> None:
        options = self._options
        if options.insecure:
            return
        known, certificates = self._guard.authenticates, self._certificates
        require_protection(address, certificates, authenticates=known)
        if options.metrics_port is not None:
            metrics = join(options.metrics_host, options.metrics_port)
            require_protection(metrics, certificates, authenticates=known, what="the metrics on ")

    async def _start_health(self) -> None:
        if self._options.health_port is None:
            return
        self._health_server = HealthServer(self._health)
        address = join(self._options.metrics_host, self._options.health_port)
        self.health_address = await self._health_server.start(address)
        logger.info("health on %s", self.health_address)

    def _may_read_metrics(self, header: str) -> None:
        demand(self._guard.identify_token(header), "metrics", "reading the metrics")

    def _start_metrics(self) -> None:
        host, port = self._options.metrics_host, self._options.metrics_port
        if port is None:
            return
        sources = [self._call_metrics, *(source for service in self._services for source in service.metrics)]
        try:
            self._metrics_server = MetricsServer(
                host,
                port,
                sources,
                certificates=self._certificates,
                authorise=self._may_read_metrics if self._options.callers else None,
            )
        except OSError as error:
            raise AddressError(
                f"cannot serve metrics on port {port} of {host!r}: {error.strerror}"
            ) from error
        logger.info("metrics on %s", self._metrics_server.url)


def _channel_options(options: ServerOptions) -> list[tuple[str, int]]:
    channel_options = [
        *CHANNEL_OPTIONS,
        # Two servers on one port would share its calls: refuse the second instead.
        ("grpc.so_reuseport", 0),
        ("grpc.enable_channelz", int(options.channelz)),
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
        # What arrives of a call before it is taken up, or refused, is kept by gRPC: not the tens of megabytes
        # to which it would let that grow on a fast network. A message that is awaited may come at once.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", STREAM_WINDOW_BYTES),
        # A client whose machine is gone does not say so: after as long again its connection is closed, and
        # its calls end. Who does not even begin to speak is cut, too.
        ("grpc.keepalive_time_ms", 3 * KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
        ("grpc.server_handshake_timeout_ms", KEEPALIVE_MS),
        # More of one connection wait at its client. Beyond 1,000 calls that have arrived and not been taken
        # up, gRPC would cancel some at random, whoever made them.
        ("grpc.max_concurrent_streams", MAX_CONNECTION_CALLS),
    ]
    if options.max_connection_age_s:
        # Calls under way on an old connection may end in their own time: its grace has no limit.
        channel_options.append(
            ("grpc.max_connection_age_ms", max(1, round(options.max_connection_age_s * 1e3)))
        )
    return channel_options


class _ByName:
    """Takes the methods of servicers, to be found by their names.

    gRPC 1.85 would wait for each of them in a task of its own, and at every call for all these tasks, which
    costs a sixth of a short call.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, *_: object) -> None:
        """Leaves them to the generic handlers, which hold them as well."""

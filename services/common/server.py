"""A gRPC server with health, reflection and an orderly end, for any set of services."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.common.errors import StatusTable
from services.common.interceptors import ErrorInterceptor

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 * 2**20
CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
)
"""Options of both ends of a channel: gRPC's own limit of 4 MB is little more than one raw megapixel."""


class AddressError(Exception):
    """The server cannot listen on an address; the message names it."""


@dataclass(frozen=True)
class Service:
    """One gRPC service, ready to be put on a server."""

    full_name: str
    """Full name in the protobuf API, such as "ganpress.v1.GeneratorService"."""
    add_to: Callable[[grpc.aio.Server], None]
    """Registers the servicer."""
    errors: StatusTable
    """Status codes of the exceptions that its methods, and `start`, raise for a user to read."""
    start: Callable[[], Awaitable[None]]
    """Loads and warms up; calls are answered only after it."""
    stop: Callable[[], Awaitable[None]]
    """Frees what `start` took; called after the last call has ended, and when `start` failed."""


class Server:
    """Serves services on one address, with grpc.health.v1 and server reflection.

    A client may connect as soon as the address is bound; its calls wait until every service has started.
    Health reports "" and each service's full name.
    """

    def __init__(self, services: Sequence[Service], *, grace_s: float = 10.0) -> None:
        """Takes the services and the seconds that running calls may still take when the server stops."""
        self._services = services
        self._grace_s = grace_s
        self._health: Any = cast("Any", health).aio.HealthServicer()  # not in the stubs
        self._interceptor = ErrorInterceptor({service.full_name: service.errors for service in services})
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str) -> str:
        """Listens on `host:port` (port 0: any free one) or `unix:/path`, starts the services, serves.

        Returns:
            The address with the real port.

        Raises:
            AddressError: The address is taken or makes no sense.
        """
        server = grpc.aio.server(
            interceptors=[self._interceptor],
            # Two servers on one port would share its calls: refuse the second instead.
            options=(*CHANNEL_OPTIONS, ("grpc.so_reuseport", 0)),
        )
        self._server = server
        for service in self._services:
            service.add_to(server)
        cast("Any", health_pb2_grpc).add_HealthServicer_to_server(self._health, server)
        names = [service.full_name for service in self._services]
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
        bound = _bind(server, address)
        try:
            for service in self._services:
                await service.start()
        except BaseException:
            await self.stop()
            raise
        for name in ("", *names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        await server.start()
        return bound

    async def stop(self) -> None:
        """Reports NOT_SERVING, refuses new calls, gives running ones the grace to end, stops the services."""
        await self._health.enter_graceful_shutdown()
        if self._server:
            await self._server.stop(self._grace_s)
            await self._interceptor.calls_ended()  # gRPC does not wait for those that it cut
        for service in reversed(self._services):
            await service.stop()

    async def run(self, address: str) -> None:
        """Serves until SIGTERM or SIGINT, then stops; a second signal ends the process at once.

        Raises:
            AddressError: As `start`.
        """
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, stopping.set)
        try:
            logger.info("listening on %s", await self.start(address))
            await stopping.wait()
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
        logger.info("stopping: running calls have %g s to end", self._grace_s)
        await self.stop()
        logger.info("stopped")


def _bind(server: grpc.aio.Server, address: str) -> str:
    if address.startswith("unix:") and _answers(address.removeprefix("unix:")):
        raise AddressError(f"cannot listen on {address!r}: another server does")
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise AddressError(
            f"cannot listen on {address!r}: it is taken, or neither host:port nor unix:/path"
        ) from error
    return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"


def _answers(path: str) -> bool:
    """Whether a server listens on a Unix socket: gRPC would take the path away from it."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True

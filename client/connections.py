"""Connections to the services, and answers from them in the client's terms."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

import grpc

from client.channel import check_address, open_channel
from client.embedded import EmbeddedServers, ServiceName
from client.errors import Peer, from_rpc_error, from_status
from client.security import Security

T = TypeVar("T")
Stream = grpc.aio.UnaryStreamCall[Any, T] | grpc.aio.StreamStreamCall[Any, T]

DEFAULT_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Connection:
    """An open way to a service."""

    peer: Peer
    """What is at the other end, for messages."""
    channel: grpc.aio.Channel
    """The channel to it."""


class Connections:
    """Connects to a generator and a compressor when they are first needed.

    A service without an address is started inside this process. Use as `async with`.
    """

    def __init__(
        self,
        *,
        generator: str | None = None,
        compressor: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        security: Security | None = None,
        jobs: int | None = None,
    ) -> None:
        """Takes where the services are and how they are used.

        Args:
            generator: Address, `HOST:PORT` or `unix:PATH`; None starts one in this process.
            compressor: The same for the compressor.
            timeout_s: Longest wait for any one answer.
            security: TLS and token; None: plain text.
            jobs: Images worked on at a time, by a compressor in this process or sent to a server; None
                leaves it to them.

        Raises:
            InputError: An address is none.
        """
        addresses: dict[ServiceName, str | None] = {"generator": generator, "compressor": compressor}
        self._addresses = {name: address and check_address(address) for name, address in addresses.items()}
        self._security = security
        self._connections: dict[ServiceName, Connection] = {}
        self._connecting = asyncio.Lock()
        self._embedded = EmbeddedServers(compressor_threads=jobs or 0)
        self.timeout_s = timeout_s
        """Longest wait for any one answer."""
        self.jobs = jobs
        """Images worked on at a time."""

    async def __aenter__(self) -> Self:
        """Returns the client; it connects when it is used."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes what was opened."""
        await self.close()

    async def close(self) -> None:
        """Closes the channels and stops the services of this process."""
        for connection in self._connections.values():
            await connection.channel.close()
        self._connections.clear()
        await self._embedded.close()

    async def ready(self, service: ServiceName) -> None:
        """Starts a service now that would otherwise be started by the first call."""
        await self.connect(service)

    def is_embedded(self, service: ServiceName) -> bool:
        """Tells whether a service is one in this process."""
        return not self._addresses[service]

    async def connect(self, name: ServiceName) -> Connection:
        """Returns the connection to a service, opened when it is first asked for."""
        async with self._connecting:
            if name not in self._connections:
                address = self._addresses[name]
                # What is started here is reached by nobody else, and asks nobody who he is.
                channel = (
                    open_channel(address, self._security)
                    if address
                    else open_channel(await self._embedded.start(name))
                )
                self._connections[name] = Connection(Peer(name, address or ""), channel)
            return self._connections[name]


async def answered(call: Awaitable[T], peer: Peer) -> T:
    """Returns the answer of a call.

    Raises:
        ServiceError: It failed.
    """
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, peer) from error


async def next_answer(call: Stream[T], peer: Peer, timeout_s: float) -> T | None:
    """Returns the stream's next message, None after the last.

    Raises:
        ServiceError: The stream failed, or nothing came in time.
    """
    try:
        async with asyncio.timeout(timeout_s):
            message = await call.read()
    except TimeoutError:
        raise from_status(grpc.StatusCode.DEADLINE_EXCEEDED, "", peer) from None
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, peer) from error
    return None if message is grpc.aio.EOF else cast("T", message)

"""Health on a port of its own: for probes that know neither TLS nor tokens, such as the kubelet's."""

from __future__ import annotations

from typing import Any, cast

import grpc
from grpc_health.v1 import health_pb2_grpc

from services.common.addresses import bind
from services.common.health import Health


class HealthServer:
    """Answers grpc.health.v1 in plain text, and nothing else."""

    def __init__(self, health: Health) -> None:
        """Takes the state that it tells."""
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 4096)]
        self._server = grpc.aio.server(options=options)
        cast("Any", health_pb2_grpc).add_HealthServicer_to_server(health, self._server)

    async def start(self, address: str) -> str:
        """Listens, and returns the address with the real port.

        Raises:
            AddressError: The address is taken or makes no sense.
        """
        bound = bind(self._server, address)
        await self._server.start()
        return bound

    async def stop(self) -> None:
        """Closes the port."""
        await self._server.stop(None)

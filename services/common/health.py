"""grpc.health.v1: what can be asked, by name, pushed to those who watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1.health_pb2_grpc import HealthServicer

DESCRIPTOR = cast("ServiceDescriptor", pb.DESCRIPTOR.services_by_name["Health"])


class Health(HealthServicer):
    """The state of the server ("") and of everything on it that has a name.

    Unlike gRPC's own servicer it forgets a name that is gone, keeps every watcher informed when one of
    them leaves, and ends the watches when the server stops, so that they do not use up its grace. Belongs
    to one event loop.
    """

    def __init__(self) -> None:
        """Knows the server alone, not yet serving."""
        self._serving = {"": False}
        self._stopping = False
        self._changed = asyncio.Event()

    def set(self, name: str, *, serving: bool) -> None:
        """Says whether `name` can be asked; ignored once the server stops."""
        if not self._stopping:
            self._serving[name] = serving
            self._tell()

    def remove(self, name: str) -> None:
        """Forgets a name: asking for it is NOT_FOUND."""
        self._serving.pop(name, None)
        self._tell()

    def stop(self) -> None:
        """Says NOT_SERVING for every name from now on, and ends the watches."""
        self._stopping = True
        self._serving = dict.fromkeys(self._serving, False)
        self._tell()

    def serving(self, name: str) -> bool:
        """Whether `name` can be asked."""
        return self._serving.get(name, False)

    async def Check(self, request: pb.HealthCheckRequest, context: Any) -> pb.HealthCheckResponse:  # noqa: N802
        """Returns the state of a name; NOT_FOUND when there is none such."""
        if request.service not in self._serving:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service!r}")
        return self._answer(request.service)

    async def Watch(  # noqa: N802
        self,
        request: pb.HealthCheckRequest,
        context: Any,  # noqa: ARG002
    ) -> AsyncIterator[pb.HealthCheckResponse]:
        """Streams the state of a name, SERVICE_UNKNOWN while there is none such, until the server stops."""
        told = None
        while True:
            # As they are before the answer: what changes while it is sent is told next.
            changed, stopping = self._changed, self._stopping
            answer = self._answer(request.service)
            if answer != told:
                yield answer
                told = answer
            if stopping:
                return
            await changed.wait()

    def _answer(self, name: str) -> pb.HealthCheckResponse:
        known = self._serving.get(name)
        if known is None:
            return pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVICE_UNKNOWN)
        state = pb.HealthCheckResponse.SERVING if known else pb.HealthCheckResponse.NOT_SERVING
        return pb.HealthCheckResponse(status=state)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

"""Interceptors for calls of every kind from one function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc

GoOn: TypeAlias = Callable[[Callable[[Any, Any], Any], Any, Any], Awaitable[Any]]
"""Takes what makes the call, the call's details, and its request or requests; returns the call."""


def intercepting(go_on: GoOn) -> list[grpc.aio.ClientInterceptor]:
    """Returns interceptors that pass every call to a function, whether it streams or not."""
    return [kind(go_on) for kind in (_UnaryUnary, _UnaryStream, _StreamUnary, _StreamStream)]


def with_metadata(details: Any, *items: tuple[str, str]) -> Any:
    """Returns the details of a call with more metadata."""
    return details._replace(metadata=grpc.aio.Metadata(*(details.metadata or ()), *items))


class _Intercepting:
    def __init__(self, go_on: GoOn) -> None:
        self._go_on = go_on


class _UnaryUnary(_Intercepting, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await self._go_on(continuation, client_call_details, request)


class _UnaryStream(_Intercepting, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await self._go_on(continuation, client_call_details, request)


class _StreamUnary(_Intercepting, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return await self._go_on(continuation, client_call_details, request_iterator)


class _StreamStream(_Intercepting, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return await self._go_on(continuation, client_call_details, request_iterator)

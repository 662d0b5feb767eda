"""The one place where a failing call becomes a gRPC status."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias

import grpc

from services.common.errors import StatusTable, status_of

logger = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers the exceptions of the services' methods with a status.

    An exception in its service's table is answered with the table's code and the exception's message.
    Any other one is logged with its traceback and answered INTERNAL, "internal error". Streaming
    methods have to be async generators. Calls of services without a table pass untouched.
    """

    def __init__(self, tables: Mapping[str, StatusTable]) -> None:
        """Takes each service's table by its full name, such as "ganpress.v1.GeneratorService"."""
        self._tables = tables
        self._calls: set[asyncio.Task[Any]] = set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Returns the method's handler, guarded; None for a method that does not exist."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        table = self._tables.get(method.split("/")[1])
        if handler is None or table is None:
            return handler
        return self._guarded(handler, method, table)

    async def calls_ended(self) -> None:
        """Waits until the last running call has ended."""
        while self._calls:
            await asyncio.wait(self._calls)

    def _guarded(self, handler: Any, method: str, table: StatusTable) -> Handler:
        codecs = handler.request_deserializer, handler.response_serializer
        behaviour = (
            handler.unary_unary or handler.stream_unary or handler.unary_stream or handler.stream_stream
        )

        async def answer(request: Any, context: Context) -> Any:
            async with self._call(context, method, table):
                return await behaviour(request, context)

        async def stream(request: Any, context: Context) -> AsyncGenerator[Any]:
            async with (
                self._call(context, method, table),
                aclosing(behaviour(request, context)) as responses,
            ):
                async for response in responses:
                    yield response

        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(answer, *codecs)  # pyright: ignore[reportArgumentType, reportReturnType]
        if handler.stream_unary:
            return grpc.stream_unary_rpc_method_handler(answer, *codecs)  # pyright: ignore[reportArgumentType, reportReturnType]
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(stream, *codecs)  # pyright: ignore[reportArgumentType, reportReturnType]
        return grpc.stream_stream_rpc_method_handler(stream, *codecs)  # pyright: ignore[reportArgumentType, reportReturnType]

    @asynccontextmanager
    async def _call(self, context: Context, method: str, table: StatusTable) -> AsyncGenerator[None]:
        if task := asyncio.current_task():
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # where every unknown error ends
            code = status_of(error, table)
            if code is None:
                logger.exception("%s failed", method)
                await context.abort(grpc.StatusCode.INTERNAL, "internal error")
            else:
                await context.abort(code, str(error))

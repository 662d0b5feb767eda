"""The one place that every call passes: it is let in, waits for the start, is timed and logged."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeAlias, cast

import grpc

from services.common import deadlines
from services.common.access import Guard, Scope, current_caller
from services.common.access.guard import demand
from services.common.errors import ACCESS_ERRORS, StatusTable, retry_metadata, status_of
from services.common.logs import request_id
from services.common.metrics import CallMetrics, MethodMetrics
from services.common.tracing import Span, Tracer

logger = logging.getLogger(__name__)

REQUEST_ID_KEY = "x-request-id"
_MAX_REQUEST_ID_LENGTH = 128
_CUT_IS_TOLD_S = 0.01  # usually 0.0001 after the last message; who calls waits for the status alone
_DEADLINE_SLACK_S = 0.005  # gRPC's clocks and ours may differ a little
_CODES: dict[Any, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}  # pyright: ignore[reportIndexIssue]

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


@dataclass(frozen=True)
class Rules:
    """How the methods of one service are guarded."""

    errors: StatusTable
    """Status codes of the exceptions that they raise for a user to read."""
    scope: Scope | None = "admin"
    """What a caller needs; None: anybody who is known."""
    admin: Collection[str] = ()
    """Methods that need the scope "admin" in its place."""
    always: Collection[str] = ()
    """Methods that do not wait until `open`."""

    def scope_of(self, method: str) -> Scope | None:
        """Returns the scope that a method needs."""
        return "admin" if method in self.admin else self.scope


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Guards the methods of the services that it has rules for; the others, such as health, pass untouched.

    - A call without a known caller is UNAUTHENTICATED, one of a caller without the method's scope
      PERMISSION_DENIED, one above the caller's allowance RESOURCE_EXHAUSTED. This comes before all else: no
      message is read before.
    - A call waits until `open`; one that waits when the server stops is UNAVAILABLE.
    - An exception in its service's table is answered with the table's code and the exception's message.
      Any other one is logged with its traceback and answered INTERNAL, "internal error".
    - When to send the call again, or that it is no use, is told in `grpc-retry-pushback-ms`.
    - Every call is counted, and logged: at info when it failed, at debug when not. Its log records carry the
      caller's `x-request-id`, or one that is made up; the answer's trailing metadata tells it.
    - A call whose caller leaves, or is cut off, before the service has answered all is CANCELLED. Whether the
      last message arrives, gRPC does not tell.

    Streaming methods have to be async generators.
    """

    def __init__(
        self,
        rules: Mapping[str, Rules],
        metrics: CallMetrics,
        guard: Guard,
        slow_s: float = 0.0,
        tracer: Tracer | None = None,
    ) -> None:
        """Sets up a closed interceptor.

        Args:
            rules: Those of each service by its full name, such as "ganpress.v1.GeneratorService".
            metrics: Counts the calls.
            guard: Names the callers.
            slow_s: Calls that take as long or longer are logged as warnings; 0: none.
            tracer: Traces the calls; None: nobody does.
        """
        self._rules = rules
        self._metrics = metrics
        self.guard = guard
        self.slow_s = slow_s
        self.tracer = tracer
        self._handlers: dict[str, Handler] = {}
        self.opened = asyncio.Event()
        self.stopping = False
        self.calls: set[asyncio.Task[Any]] = set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Returns the method's handler, guarded; None for a method that does not exist."""
        path = handler_call_details.method
        if guarded := self._handlers.get(path):
            return guarded
        handler = await continuation(handler_call_details)
        rules = self._rules.get(path.split("/")[1])
        if handler is None or rules is None:
            return handler
        self._handlers[path] = guarded = self._guarded(handler, path, rules)
        return guarded

    def open(self) -> None:
        """Lets the calls pass."""
        self.opened.set()

    def stop(self) -> None:
        """Refuses the calls that still wait."""
        self.stopping = not self.opened.is_set()
        self.opened.set()

    async def calls_ended(self) -> None:
        """Waits until the last running call has ended."""
        while self.calls:
            await asyncio.wait(self.calls)

    def _guarded(self, handler: Any, path: str, rules: Rules) -> Handler:
        codecs = handler.request_deserializer, handler.response_serializer
        _, service, name = path.split("/")
        streams = {
            (False, False): ("unary", grpc.unary_unary_rpc_method_handler),
            (True, False): ("client_stream", grpc.stream_unary_rpc_method_handler),
            (False, True): ("server_stream", grpc.unary_stream_rpc_method_handler),
            (True, True): ("bidi_stream", grpc.stream_stream_rpc_method_handler),
        }
        kind, _ = streams[handler.request_streaming, handler.response_streaming]
        # To gRPC all requests are streams: it would read a lone message, of up to 64 MB, before it asks us.
        _, make_handler = streams[True, handler.response_streaming]
        method = _Method(
            path,
            {**ACCESS_ERRORS, **rules.errors},
            self._metrics.method(kind, service, name),
            name not in rules.always,
            rules.scope_of(name),
        )
        behaviour = (
            handler.unary_unary or handler.stream_unary or handler.unary_stream or handler.stream_stream
        )

        async def asked(requests: AsyncIterator[Any], context: Context) -> Any:
            return _all(requests) if handler.request_streaming else await _lone(requests, context)

        async def answer(requests: AsyncIterator[Any], context: Context) -> Any:
            async with _Call(self, method, context):
                return await behaviour(await asked(requests, context), context)

        # Written here, and not yielded to gRPC: what is answered ends at once when it cannot be sent.
        async def stream(requests: AsyncIterator[Any], context: Context) -> None:
            async with (
                _Call(self, method, context),
                aclosing(behaviour(await asked(requests, context), context)) as responses,
            ):
                async for response in responses:
                    await context.write(response)

        guarded: Any = stream if handler.response_streaming else answer
        return make_handler(guarded, *codecs)  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class _Method:
    path: str
    table: StatusTable
    metrics: MethodMetrics
    waits: bool
    scope: Scope | None


class _Call:
    """One call, as an asynchronous context around what answers it."""

    def __init__(self, interceptor: CallInterceptor, method: _Method, context: Context) -> None:
        self._interceptor = interceptor
        self._method = method
        self._context = context
        self._begun_s = time.perf_counter()
        # Asked now: a stream that is cut may end when gRPC has freed what it knows of the call.
        self._remaining_s = cast("float | None", context.time_remaining())
        self._late_s = math.inf if self._remaining_s is None else self._begun_s + self._remaining_s
        self._peer = context.peer()
        self._request_id = _request_id(context)
        self._caller = ""
        self._under_way = ExitStack()
        self._span: Span | None = None

    async def __aenter__(self) -> None:
        if task := asyncio.current_task():
            self._interceptor.calls.add(task)
            task.add_done_callback(self._interceptor.calls.discard)
        self._method.metrics.begin()
        request_id.set(self._request_id)
        deadlines.begin(self._remaining_s)
        if tracer := self._interceptor.tracer:
            self._span = tracer.begin(self._method.path, self._context.invocation_metadata())
        self._context.set_trailing_metadata(((REQUEST_ID_KEY, self._request_id),))
        try:
            self._admit()
            if self._method.waits and not self._interceptor.opened.is_set():
                await self._wait_until_open()
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, grpc.aio.AbortError):
            self._end(_status(self._context.code()))
        elif isinstance(error, Exception) and not isinstance(error, grpc.aio.InternalError):
            await self._refuse(error)
        else:  # the caller left, its connection broke as it was written to, or its deadline passed
            late = time.perf_counter() > self._late_s - _DEADLINE_SLACK_S
            self._end(grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED)
            if isinstance(error, grpc.aio.InternalError):
                raise asyncio.CancelledError from error

    async def _refuse(self, error: Exception) -> None:
        known = status_of(error, self._method.table)
        if known is None:
            logger.error("%s failed", self._method.path, exc_info=error)
        code = known or grpc.StatusCode.INTERNAL
        self._end(code)
        # Metadata given to abort replace those that were set.
        left_s = self._late_s - time.perf_counter()
        trailing = ((REQUEST_ID_KEY, self._request_id), *retry_metadata(error, known, left_s))
        try:
            await self._context.abort(code, str(error) if known else "internal error", trailing)
        except grpc.aio.InternalError as lost:
            raise asyncio.CancelledError from lost

    def _admit(self) -> None:
        context = self._context
        caller = self._interceptor.guard.identify(
            context.invocation_metadata(), context.auth_context, self._peer
        )
        self._caller = caller.name
        demand(caller, self._method.scope, self._method.path)
        self._under_way.enter_context(caller.quota.call())
        current_caller.set(caller)

    async def _wait_until_open(self) -> None:
        await self._interceptor.opened.wait()
        if self._interceptor.stopping:
            await self._context.abort(grpc.StatusCode.UNAVAILABLE, "the server is stopping")

    def _end(self, code: grpc.StatusCode) -> None:
        self._under_way.close()
        duration_s = time.perf_counter() - self._begun_s
        self._method.metrics.end(code, duration_s)
        if self._span:
            self._span.end(code, self._request_id, self._caller)
        level = logging.DEBUG if code is grpc.StatusCode.OK else logging.INFO
        message = "call ended"
        if self._interceptor.slow_s and duration_s >= self._interceptor.slow_s:
            level, message = logging.WARNING, "slow call ended"
        if logger.isEnabledFor(level):
            fields = {
                "method": self._method.path,
                "code": code.name,
                "duration_ms": round(duration_s * 1e3, 3),
                "peer": self._peer,
                "caller": self._caller,
                "request_id": self._request_id,
            }
            logger.log(level, message, extra={"fields": fields})


async def _lone(requests: AsyncIterator[Any], context: Context) -> Any:
    """Returns the message of a call that carries one.

    Raises:
        grpc.aio.AbortError: It carries none, and its caller was told so.
        grpc.aio.InternalError: It carries none, since its caller has left.
    """
    async for request in requests:
        return request
    return await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call carries no message")


async def _all(requests: AsyncIterator[Any]) -> AsyncGenerator[Any]:
    """Yields the messages of a call, and ends a moment after them.

    gRPC ends them for a caller that is cut off, too, and cancels the call only then.
    """
    async for request in requests:
        yield request
    await asyncio.sleep(_CUT_IS_TOLD_S)


def _request_id(context: Context) -> str:
    """Returns the caller's id of the request; one that is made up when there is none fit for a log."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_KEY and 0 < len(value) <= _MAX_REQUEST_ID_LENGTH:
            return str(value)
    return secrets.token_hex(8)


def _status(code: Any) -> grpc.StatusCode:
    """Returns the status of a call from gRPC's own record of it, a code, its number or None."""
    return code if isinstance(code, grpc.StatusCode) else _CODES[code or 0]

"""OpenTelemetry traces of the client: a span for what is done, and one for each of its calls."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import grpc

from client.errors import GanpressError
from client.interceptors import intercepting, with_metadata
from services.common.starting import StartError
from services.common.tracing import Traces, provider_for
from services.common.version import GANPRESS_VERSION

_tracer: ContextVar[Any] = ContextVar("tracer", default=None)
_ending: set[asyncio.Task[None]] = set()


@contextmanager
def traced(traces: Traces, name: str) -> Generator[None]:
    """Makes all within one span of a trace, under which each call of a client is one, and its service's.

    Args:
        traces: Where spans go; see `services.common.tracing.provider_for`.
        name: Name of the span, such as "client generate".

    Raises:
        GanpressError: The packages for it are not installed.
    """
    if traces == "off":
        yield
        return
    try:
        provider = provider_for(traces, "ganpress-client")
    except StartError as error:
        raise GanpressError(str(error)) from error
    tracer = provider.get_tracer("ganpress", GANPRESS_VERSION)
    token = _tracer.set(tracer)
    try:
        with tracer.start_as_current_span(name, record_exception=False):
            yield
    finally:
        _tracer.reset(token)
        provider.shutdown()


def interceptors() -> list[grpc.aio.ClientInterceptor]:
    """Returns what makes a span of each call, and tells it to the service; none outside of `traced`."""
    tracer = _tracer.get()
    if tracer is None:
        return []
    trace = cast("Any", importlib.import_module("opentelemetry.trace"))
    propagate = cast("Any", importlib.import_module("opentelemetry.propagate"))

    async def go_on(continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        path = details.method if isinstance(details.method, str) else details.method.decode()
        _, service, method = path.split("/")
        span = tracer.start_span(
            path[1:],
            kind=trace.SpanKind.CLIENT,
            attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": method},
        )
        carried: dict[str, str] = {}
        propagate.inject(carried, trace.set_span_in_context(span))
        call = await continuation(with_metadata(details, *carried.items()), request)
        ending = asyncio.create_task(_end(call, span, trace.Status(trace.StatusCode.ERROR)))
        _ending.add(ending)
        ending.add_done_callback(_ending.discard)
        return call

    return intercepting(go_on)


async def _end(call: Any, span: Any, failed: Any) -> None:
    """Ends the span of a call with it; that of one which is left behind, too."""
    try:
        code = await call.code()
        span.set_attribute("rpc.grpc.status_code", code.value[0])
        if code is not grpc.StatusCode.OK:
            span.set_status(failed)
    finally:
        span.end()

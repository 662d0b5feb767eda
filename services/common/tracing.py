"""OpenTelemetry traces of calls: off unless asked for; needs `ganpress[tracing]`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol, cast

import grpc

from services.common.starting import StartError
from services.common.version import GANPRESS_VERSION

Traces = Literal["off", "otlp", "console"]


class Span(Protocol):
    """One call in a trace."""

    def end(self, code: grpc.StatusCode, request_id: str, caller: str) -> None:
        """Ends it."""
        ...


class Tracer:
    """Makes a span of each call, as a child of the caller's where its metadata say so (W3C `traceparent`)."""

    def __init__(self, provider: Any) -> None:
        """Takes a tracer provider of OpenTelemetry."""
        self._tracer = provider.get_tracer("ganpress", GANPRESS_VERSION)
        self._trace = cast("Any", importlib.import_module("opentelemetry.trace"))
        self._propagate = cast("Any", importlib.import_module("opentelemetry.propagate"))
        self._context = cast("Any", importlib.import_module("opentelemetry.context"))

    def begin(self, path: str, metadata: Iterable[tuple[str, Any]] | Sequence[Any] | None) -> Span:
        """Begins the span of a call, the current one of the task that answers it."""
        carried = {key: value for key, value in metadata or () if isinstance(value, str)}
        _, service, method = path.split("/")
        span = self._tracer.start_span(
            path[1:],
            context=self._propagate.extract(carried),
            kind=self._trace.SpanKind.SERVER,
            attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": method},
        )
        self._context.attach(self._trace.set_span_in_context(span))
        return _CallSpan(span, self._trace.Status(self._trace.StatusCode.ERROR))


class _CallSpan:
    def __init__(self, span: Any, failed: Any) -> None:
        self._span = span
        self._failed = failed

    def end(self, code: grpc.StatusCode, request_id: str, caller: str) -> None:
        self._span.set_attribute("rpc.grpc.status_code", code.value[0])
        self._span.set_attribute("ganpress.request_id", request_id)
        self._span.set_attribute("ganpress.caller", caller)
        if code is not grpc.StatusCode.OK:
            self._span.set_status(self._failed)
        self._span.end()


def tracer_for(traces: Traces, name: str) -> Tracer | None:
    """Returns what traces the calls of a service; None when nobody does. See `provider_for`."""
    return None if traces == "off" else Tracer(provider_for(traces, name))


def provider_for(traces: Traces, name: str) -> Any:
    """Returns a tracer provider of OpenTelemetry.

    OTLP goes where the standard variables say, such as OTEL_EXPORTER_OTLP_ENDPOINT, under OTEL_SERVICE_NAME
    or else the name; what is printed goes to stderr.

    Raises:
        StartError: The packages for it are not installed.
    """
    try:
        sdk = cast("Any", importlib.import_module("opentelemetry.sdk.trace"))
        export = cast("Any", importlib.import_module("opentelemetry.sdk.trace.export"))
        resources = cast("Any", importlib.import_module("opentelemetry.sdk.resources"))
        if traces == "otlp":
            otlp = importlib.import_module("opentelemetry.exporter.otlp.proto.grpc.trace_exporter")
            processor = export.BatchSpanProcessor(cast("Any", otlp).OTLPSpanExporter())
        else:
            processor = export.SimpleSpanProcessor(export.ConsoleSpanExporter(out=sys.stderr))
    except ImportError as error:
        raise StartError(
            f"traces={traces} needs packages: pip install 'ganpress[tracing]' [{error}]"
        ) from error
    attributes = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": name}
    provider = sdk.TracerProvider(resource=resources.Resource.create(attributes))
    provider.add_span_processor(processor)
    return provider

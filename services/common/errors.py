"""From exceptions to gRPC status codes.

The libraries raise exceptions of their own that know nothing of gRPC. Each service says in one
table which status code an exception becomes on the wire; its message is sent as it is, so it must
be one sentence that a user can act on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import grpc

from services.common.access.errors import PermissionDeniedError, QuotaError, UnauthenticatedError

StatusTable = Mapping[type[Exception], grpc.StatusCode]

RETRY_KEY = "grpc-retry-pushback-ms"
"""Metadata by which gRPC's clients know after how long to try again, or, below 0, that it is no use."""

ACCESS_ERRORS: StatusTable = {
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDeniedError: grpc.StatusCode.PERMISSION_DENIED,
    QuotaError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""What any call may be refused for."""


def status_of(error: Exception, table: StatusTable) -> grpc.StatusCode | None:
    """Returns the status code of the nearest class of `error` in the table, None when it has none."""
    return next((table[cls] for cls in type(error).__mro__ if cls in table), None)


def retry_metadata(error: Exception) -> tuple[tuple[str, str], ...]:
    """Returns the metadata that say when to try again, where an exception has `retry_after_s`."""
    retry_after_s: float | None = getattr(error, "retry_after_s", None)
    return () if retry_after_s is None else ((RETRY_KEY, str(math.ceil(1e3 * retry_after_s))),)

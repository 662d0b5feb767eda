"""From exceptions to gRPC status codes.

The libraries raise exceptions of their own that know nothing of gRPC. Each service says in one
table which status code an exception becomes on the wire; its message is sent as it is, so it must
be one sentence that a user can act on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import grpc
from google.protobuf.message import DecodeError

from services.common.access.errors import PermissionDeniedError, QuotaError, UnauthenticatedError

StatusTable = Mapping[type[Exception], grpc.StatusCode]

RETRY_KEY = "grpc-retry-pushback-ms"
"""Metadata by which gRPC's clients know after how long to try again, or, below 0, that it is no use."""


ACCESS_ERRORS: StatusTable = {
    DecodeError: grpc.StatusCode.INVALID_ARGUMENT,  # gRPC raises it where a request is read
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDeniedError: grpc.StatusCode.PERMISSION_DENIED,
    QuotaError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""What any call may be refused for."""


def status_of(error: Exception, table: StatusTable) -> grpc.StatusCode | None:
    """Returns the status code of the nearest class of `error` in the table, None when it has none."""
    return next((table[cls] for cls in type(error).__mro__ if cls in table), None)


def retry_metadata(
    error: Exception, code: grpc.StatusCode | None, left_s: float = math.inf
) -> tuple[tuple[str, str], ...]:
    """Returns the metadata that tell gRPC's clients when to send a refused call again.

    After `retry_after_s` where the exception has it and the caller waits as long. Otherwise never where a
    resource is exhausted, since the same call would be refused again; elsewhere that is for clients to judge.

    Args:
        error: Why the call is refused.
        code: Its status.
        left_s: Seconds until the call's deadline.
    """
    retry_after_s: float | None = getattr(error, "retry_after_s", None)
    if retry_after_s is not None:
        return ((RETRY_KEY, str(math.ceil(1e3 * retry_after_s)) if retry_after_s < left_s else "-1"),)
    return ((RETRY_KEY, "-1"),) if code is grpc.StatusCode.RESOURCE_EXHAUSTED else ()

"""From exceptions to gRPC status codes.

The libraries raise exceptions of their own that know nothing of gRPC. Each service says in one
table which status code an exception becomes on the wire; its message is sent as it is, so it must
be one sentence that a user can act on.
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc

StatusTable = Mapping[type[Exception], grpc.StatusCode]


def status_of(error: Exception, table: StatusTable) -> grpc.StatusCode | None:
    """Returns the status code of the nearest class of `error` in the table, None when it has none."""
    return next((table[cls] for cls in type(error).__mro__ if cls in table), None)

"""Errors of the protocol, and the status codes that Triton gives them."""

from __future__ import annotations

import grpc

from services.common.errors import StatusTable
from services.generator.errors import (
    CorruptModelError,
    ModelControlError,
    OutOfMemoryError,
    RepositoryError,
    RequestError,
    UnknownModelError,
)
from services.generator.scheduling import ClosedError, QueueFullError, QueueTimeoutError


class UnsupportedError(Exception):
    """A part of the protocol that is not implemented; the message says what there is instead."""


ERRORS: StatusTable = {
    RequestError: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownModelError: grpc.StatusCode.NOT_FOUND,
    QueueFullError: grpc.StatusCode.UNAVAILABLE,
    QueueTimeoutError: grpc.StatusCode.UNAVAILABLE,
    ClosedError: grpc.StatusCode.UNAVAILABLE,
    CorruptModelError: grpc.StatusCode.INVALID_ARGUMENT,
    ModelControlError: grpc.StatusCode.PERMISSION_DENIED,
    RepositoryError: grpc.StatusCode.UNAVAILABLE,
    UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    OutOfMemoryError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}

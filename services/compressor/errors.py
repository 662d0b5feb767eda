"""Errors of the service and their status codes; those of the codecs are in `codecs.errors`."""

from __future__ import annotations

import grpc

from services.common.errors import StatusTable
from services.common.turns import BusyError
from services.compressor.codecs import CodecError, MissingPackageError, TooManyPixelsError
from services.compressor.goals import UnreachableGoalError


class RequestError(ValueError):
    """A request that makes no sense; the message names the value and what would be accepted."""


class ResultTooLargeError(Exception):
    """The result does not fit into one message."""


class OverloadedImageError(Exception):
    """An image needs more memory or time than a request may take."""


class WorkerDiedError(Exception):
    """The process that worked on a request ended; the others and the service go on."""


ERRORS: StatusTable = {
    CodecError: grpc.StatusCode.INVALID_ARGUMENT,
    MissingPackageError: grpc.StatusCode.FAILED_PRECONDITION,
    TooManyPixelsError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    UnreachableGoalError: grpc.StatusCode.OUT_OF_RANGE,
    OverloadedImageError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    WorkerDiedError: grpc.StatusCode.INTERNAL,
    RequestError: grpc.StatusCode.INVALID_ARGUMENT,
    BusyError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ResultTooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}

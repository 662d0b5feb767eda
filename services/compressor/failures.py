"""What went wrong, as a message and back: an error crosses a stream or a process as its class and words."""

from __future__ import annotations

import logging

import grpc
from ganpress.v1 import compressor_service_pb2 as pb

from services.common.errors import status_of
from services.compressor.errors import ERRORS, OverloadedImageError

logger = logging.getLogger(__name__)


def failure(error: Exception) -> pb.StreamError:
    """Returns the status and the message of an error; one that a user cannot act on is logged."""
    if isinstance(error, MemoryError):
        error = out_of_memory()
    code = status_of(error, ERRORS)
    if code is None:
        logger.error("a member of a stream or batch failed", exc_info=error)
        return pb.StreamError(code=_number(grpc.StatusCode.INTERNAL), message="internal error")
    return pb.StreamError(code=_number(code), message=str(error))


def out_of_memory() -> OverloadedImageError:
    """Returns what a request gets that needs more memory than there is for it."""
    return OverloadedImageError("the image needs more memory than a request may take: send a smaller one")


def _number(code: grpc.StatusCode) -> int:
    number: int = code.value[0]
    return number

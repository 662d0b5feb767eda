"""The limits of a server, as it tells them."""

from __future__ import annotations

from ganpress.v1.limits_pb2 import Limits

from services.common.access import current_caller
from services.common.server import MAX_MESSAGE_BYTES


def limits_for_caller(**of_service: float) -> Limits:
    """Returns the limits of both services and of who calls, with those of a service."""
    limits = Limits(max_message_bytes=MAX_MESSAGE_BYTES, **of_service)  # pyright: ignore[reportArgumentType]
    if caller := current_caller.get():
        allowance = caller.quota.allowance
        limits.caller = caller.name
        limits.images_per_s = allowance.images_per_s
        limits.megapixels_per_s = allowance.megapixels_per_s
        limits.max_calls = allowance.max_calls
    return limits

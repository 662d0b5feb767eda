"""What the call under way asks for, charged to its caller.

Outside of a call, such as in a library or a test, nothing is counted.
"""

from __future__ import annotations

from contextvars import ContextVar

from services.common.access.callers import Caller

current_caller: ContextVar[Caller | None] = ContextVar("current_caller", default=None)
"""Who made the call that is being answered."""


def charge(images: int, pixels: int) -> None:
    """Charges images with so many pixels in all to the caller.

    Raises:
        QuotaError: The caller's allowance is used up; nothing is charged.
    """
    if caller := current_caller.get():
        caller.quota.spend(images, pixels)


async def pace(images: int, pixels: int) -> None:
    """Waits until the caller's allowance has room, and charges it: for streams, which go on later."""
    if caller := current_caller.get():
        await caller.quota.pace(images, pixels)


def note(images: int, pixels: int) -> None:
    """Charges what is already done, so that it counts for the next request: for sizes that show late."""
    if caller := current_caller.get():
        caller.quota.note(images, pixels)

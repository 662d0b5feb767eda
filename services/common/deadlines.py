"""When the caller of the call that is being answered stops waiting."""

from __future__ import annotations

import time
from contextvars import ContextVar

_at_s: ContextVar[float | None] = ContextVar("deadline", default=None)


def begin(remaining_s: float | None) -> None:
    """Notes the deadline of the call that this task answers; None: it has none."""
    _at_s.set(None if remaining_s is None else time.monotonic() + remaining_s)


def left_s() -> float | None:
    """Returns the seconds until the call's deadline; None: there is none, or no call."""
    at_s = _at_s.get()
    return None if at_s is None else at_s - time.monotonic()

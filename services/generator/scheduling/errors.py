"""Why a request was not computed; every message is one sentence for a user.

SchedulingError
├── QueueFullError       there is no room for it
├── QueueTimeoutError    it waited longer than it wanted to
└── ClosedError          its lane was closed
"""

from __future__ import annotations


class SchedulingError(Exception):
    """Base class."""


class QueueFullError(SchedulingError):
    """There is no room for another request; the message says when to try again."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Seconds until what is under way now should be done."""


class QueueTimeoutError(SchedulingError):
    """The request waited longer than it wanted to."""


class ClosedError(SchedulingError):
    """The lane was closed before the request's turn came."""

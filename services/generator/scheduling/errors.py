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


class QueueTimeoutError(SchedulingError):
    """The request waited longer than it wanted to."""


class ClosedError(SchedulingError):
    """The lane was closed before the request's turn came."""

"""Why a call is refused before its work begins; every message is one sentence for the caller.

AccessError
├── UnauthenticatedError   no token or certificate that is known
├── PermissionDeniedError  the caller's scopes do not hold the method
└── QuotaError             the caller's allowance is used up for now
"""

from __future__ import annotations


class AccessError(Exception):
    """Base class."""


class UnauthenticatedError(AccessError):
    """The call carries no token or certificate that is known."""


class PermissionDeniedError(AccessError):
    """The caller's scopes do not hold the method; the message names both."""


class QuotaError(AccessError):
    """The caller's allowance is used up for now; the message says which."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Seconds until the same call may pass."""

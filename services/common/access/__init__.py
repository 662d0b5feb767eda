"""Who calls, what a caller may do, and how much of it.

`Guard` names the caller of a call; `charge` and `pace` count what the call under way asks for.
"""

from services.common.access.callers import Allowance, Caller, CallersError, Scope
from services.common.access.errors import (
    AccessError,
    PermissionDeniedError,
    QuotaError,
    UnauthenticatedError,
)
from services.common.access.guard import Guard
from services.common.access.spending import charge, current_caller, note, pace

__all__ = [
    "AccessError",
    "Allowance",
    "Caller",
    "CallersError",
    "Guard",
    "PermissionDeniedError",
    "QuotaError",
    "Scope",
    "UnauthenticatedError",
    "charge",
    "current_caller",
    "note",
    "pace",
]

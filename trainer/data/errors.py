"""What can be wrong with training data.

SourceError   raw data cannot be found, read or used
SetError      a prepared set is damaged, or not the one that is needed
"""

from __future__ import annotations

from trainer.errors import TrainerError


class SourceError(TrainerError):
    """The data cannot be found, read or used; the message says what was looked for."""


class SetError(TrainerError):
    """A prepared set cannot be used; the message says why and what to do."""


class UnusableError(Exception):
    """One image is left out; never leaves this package."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        """The same words for every image left out for this reason."""
        self.detail = detail
        """What is special to this one."""

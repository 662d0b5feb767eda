"""Versions that could not be loaded: why, and when to try again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from services.generator.errors import CorruptModelError, IncompleteModelError
from services.generator.repository.folder import Entry

_MAX_DELAY_S = 300.0


@dataclass(frozen=True)
class _Failure:
    fingerprint: str
    error: Exception
    count: int
    again_s: float
    """When to try files again that have not changed; infinite when that would be in vain."""


class Attempts:
    """Remembers the failures of versions until they are loaded or gone.

    Files that have changed are tried at once. Others are tried again, ever less often, only if the reason
    may pass by itself: they were incomplete, or the repository or this machine was at fault.
    """

    def __init__(self, delay_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Takes the seconds before the first new try; they double each time."""
        self._delay_s = delay_s
        self._clock = clock
        self._failures: dict[tuple[str, int], _Failure] = {}

    def is_due(self, entry: Entry) -> bool:
        """Whether to try a version now."""
        failure = self._failures.get((entry.name, entry.version))
        return not failure or failure.fingerprint != entry.fingerprint or self._clock() >= failure.again_s

    def failed(self, entry: Entry, error: Exception) -> bool:
        """Takes note of a failure; returns whether there is news in it for a reader of the log."""
        key = entry.name, entry.version
        last = self._failures.get(key)
        count = last.count + 1 if last and last.fingerprint == entry.fingerprint else 0
        lasting = isinstance(error, CorruptModelError) and not isinstance(error, IncompleteModelError)
        delay_s = float("inf") if lasting else min(self._delay_s * 2**count, _MAX_DELAY_S)
        self._failures[key] = _Failure(entry.fingerprint, error, count, self._clock() + delay_s)
        if last and isinstance(error, IncompleteModelError):
            return not isinstance(last.error, IncompleteModelError)  # its sizes change while it is copied
        return not last or str(last.error) != str(error)

    def succeeded(self, entry: Entry) -> None:
        """Forgets a version's failures."""
        self._failures.pop((entry.name, entry.version), None)

    def keep_only(self, keys: Collection[tuple[str, int]]) -> None:
        """Forgets the failures of all other versions."""
        self._failures = {key: failure for key, failure in self._failures.items() if key in keys}

    def reason(self, key: tuple[str, int]) -> str:
        """Returns why a version could not be loaded the last time; empty when it could."""
        failure = self._failures.get(key)
        return str(failure.error) or type(failure.error).__name__ if failure else ""

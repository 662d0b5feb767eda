"""A version in memory, and who uses it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from services.generator.models import Model


class Runner(Protocol):
    """What serves a version; the registry only closes it."""

    async def close(self) -> None:
        """Frees it; called once, when nobody uses it any more or the server stops."""
        ...


R = TypeVar("R", bound=Runner)


class Loaded(Generic[R]):
    """A version in memory."""

    def __init__(self, model: Model, runner: R, fingerprint: str) -> None:
        """Takes the model, what serves it, and the fingerprint of the files that it was loaded from."""
        self.model = model
        self.runner = runner
        self.fingerprint = fingerprint
        self.loaded_at = datetime.now(UTC)
        self.leases = 0
        self._free = asyncio.Event()
        self._free.set()

    async def close_when_free(self) -> None:
        """Waits for the last lease to end, then frees the version; nobody may get a new lease."""
        await self._free.wait()
        await self.runner.close()

    def end_leases(self) -> None:
        """Lets the version be freed whoever uses it."""
        self._free.set()

    def take(self) -> None:
        """Counts a lease."""
        self.leases += 1
        self._free.clear()

    def give_back(self) -> None:
        """Counts a lease's end."""
        self.leases -= 1
        if not self.leases:
            self._free.set()


class Lease(Generic[R]):
    """The use of a version, for as long as the `with` lasts: it is not freed meanwhile."""

    def __init__(self, loaded: Loaded[R]) -> None:
        """Takes the version."""
        self._loaded = loaded
        self.model = loaded.model
        self.runner = loaded.runner

    def __enter__(self) -> Self:
        self._loaded.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loaded.give_back()

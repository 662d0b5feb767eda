"""The versions in memory: loaded, leased, replaced, freed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Generic

from services.generator.catalogue import Catalogue
from services.generator.errors import GeneratorError, IncompleteModelError
from services.generator.models import Model
from services.generator.repository.attempts import Attempts
from services.generator.repository.folder import Entry, Folder
from services.generator.repository.lease import Lease, Loaded, R
from services.generator.repository.status import Key, ModelEvent

logger = logging.getLogger(__name__)


class Memory(Generic[R]):
    """Holds what is served, and what was served before while it is used.

    A version takes the place of its earlier content at once, when it is loaded and warmed up. What loses its
    place is freed when its last lease has ended. All methods belong to one event loop.
    """

    catalogue: Catalogue
    """What is served."""

    def __init__(
        self,
        folder: Folder,
        open_runner: Callable[[Model], Awaitable[R]],
        attempts: Attempts,
        default_model: str,
    ) -> None:
        """Starts empty.

        Args:
            folder: The repository.
            open_runner: Loads a model, warms it up and returns what serves it.
            attempts: Takes note of the versions that cannot be loaded.
            default_model: Model of a request without model and label.
        """
        self._folder = folder
        self._open_runner = open_runner
        self._attempts = attempts
        self._default_model = default_model
        self._listeners: list[Callable[[ModelEvent], None]] = []
        self._freeing: dict[asyncio.Task[None], Loaded[R]] = {}
        self.served: dict[Key, Loaded[R]] = {}
        self.loading: Key | None = None
        self.catalogue = Catalogue((), default_model)

    def lease(self, model: Model) -> Lease[R]:
        """Returns the use of a version in the catalogue."""
        return Lease(self.served[model.name, model.version])

    def versions_of(self, name: str) -> set[int]:
        """Returns the versions of a model that are served."""
        return {version for of, version in self.served if of == name}

    def retired(self, key: Key) -> list[Loaded[R]]:
        """Returns what was served as this version before and is not free yet."""
        return [old for old in self._freeing.values() if (old.model.name, old.model.version) == key]

    @property
    def keys(self) -> set[Key]:
        """The versions in memory, those included that are not served any more."""
        return {*self.served, *((old.model.name, old.model.version) for old in self._freeing.values())}

    @property
    def runners(self) -> list[R]:
        """What serves the versions in memory, those included that are not served any more."""
        return [loaded.runner for loaded in (*self.served.values(), *self._freeing.values())]

    def subscribe(self, listener: Callable[[ModelEvent], None]) -> None:
        """Calls `listener` whenever a version becomes ready, is gone or cannot be loaded."""
        self._listeners.append(listener)

    async def ensure(self, entry: Entry, *, force: bool) -> bool:
        """Loads a version unless it was loaded from the same files, or is not to be tried now.

        Args:
            entry: The version.
            force: Try files that were refused before.

        Returns:
            Whether the version is served, with these files or earlier ones.
        """
        key = entry.name, entry.version
        served = self.served.get(key)
        if served and served.fingerprint == entry.fingerprint:
            self._attempts.succeeded(entry)
        elif force or self._attempts.is_due(entry):
            self.loading = key
            try:
                await self._load(entry, served)
            except Exception as error:
                if not isinstance(error, GeneratorError):
                    logger.exception("model %s version %d could not be loaded", *key)
                self._fail(entry, error)
            finally:
                self.loading = None
        return key in self.served

    def retire(self, key: Key, reason: str) -> None:
        """Serves a version no longer."""
        loaded = self.served.pop(key)
        self._renew_catalogue()
        logger.info("model %s version %d is served no longer: %s", *key, reason)
        self._tell(ModelEvent("gone", *key, reason=reason))
        self._free(loaded)

    async def clear(self) -> None:
        """Frees everything, in use or not."""
        for loaded in self.served.values():
            self._free(loaded)
        self.served.clear()
        self._renew_catalogue()
        for loaded in self._freeing.values():
            loaded.end_leases()
        await asyncio.gather(*self._freeing)

    async def _load(self, entry: Entry, served: Loaded[R] | None) -> None:
        key, began_s = (entry.name, entry.version), time.monotonic()
        model = await asyncio.to_thread(self._folder.fetch, entry)
        if served and served.model.card == model.card:  # files were written anew with the same content
            served.fingerprint = entry.fingerprint
            self._attempts.succeeded(entry)
            return
        runner = await self._open_runner(model)
        if not await asyncio.to_thread(self._folder.is_unchanged, entry):
            await runner.close()
            raise IncompleteModelError(f"{model.onnx_path} changed while it was loaded")
        self.served[key] = Loaded(model, runner, entry.fingerprint)
        self._attempts.succeeded(entry)
        self._renew_catalogue()
        took_s = time.monotonic() - began_s
        logger.info("model %s version %d is ready after %.2f s, digest %s", *key, took_s, model.digest)
        self._tell(ModelEvent("ready", *key, digest=model.digest))
        if served:
            self._free(served)

    def _fail(self, entry: Entry, error: Exception) -> None:
        key = entry.name, entry.version
        if self._attempts.failed(entry, error):
            reason = self._attempts.reason(key)
            level = logging.WARNING if isinstance(error, IncompleteModelError) else logging.ERROR
            kept = "its earlier content stays" if key in self.served else "it is left out"
            logger.log(level, "model %s version %d cannot be loaded, %s: %s", *key, kept, reason)
            self._tell(ModelEvent("failed", *key, reason=reason))

    def _free(self, loaded: Loaded[R]) -> None:
        task = asyncio.create_task(loaded.close_when_free())
        self._freeing[task] = loaded
        task.add_done_callback(self._freeing.pop)

    def _renew_catalogue(self) -> None:
        models = (loaded.model for loaded in self.served.values())
        newest_first = sorted(models, key=lambda model: (model.name, -model.version))
        self.catalogue = Catalogue(newest_first, self._default_model)

    def _tell(self, event: ModelEvent) -> None:
        for listener in self._listeners:
            listener(event)

"""The versions in memory, kept in step with a repository while they are used."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from services.generator.catalogue import Catalogue
from services.generator.errors import (
    CorruptModelError,
    GeneratorError,
    IncompleteModelError,
    ModelControlError,
    NoModelsError,
    RepositoryError,
    UnknownModelError,
)
from services.generator.models import Model
from services.generator.repository.attempts import Attempts
from services.generator.repository.folder import Entry, Folder
from services.generator.repository.lease import Lease, Loaded, R
from services.generator.repository.policy import ALL_VERSIONS, VersionPolicies
from services.generator.repository.status import ModelEvent, VersionStatus

logger = logging.getLogger(__name__)

T = TypeVar("T")
Key = tuple[str, int]
"""Name and version."""


@dataclass(frozen=True)
class RegistryOptions:
    """How a repository is followed."""

    policies: VersionPolicies = ALL_VERSIONS
    """Which versions are served."""
    default_model: str = ""
    """Model of a request without model and label."""
    watch_s: float = 0.0
    """Seconds from one look at the repository to the next; 0 means only one, at the start."""
    model_control: bool = False
    """Whether clients may load and unload."""


class Registry(Generic[R]):
    """Loads versions, hands them out by leases, replaces and unloads them while they are in use.

    - A version is served once it is loaded and warmed up, never before; only then does an older one, or the
      earlier content of the same one, retire. What is retired is freed when its last lease has ended.
    - Files that are incomplete or corrupt change nothing of what is served, and are looked at again.
    - A model never loses its last version because its newer ones are not sound.

    All methods belong to one event loop.
    """

    catalogue: Catalogue
    """What is served."""

    def __init__(
        self,
        folder: Folder,
        open_runner: Callable[[Model], Awaitable[R]],
        options: RegistryOptions = RegistryOptions(),
    ) -> None:
        """Sets up a registry without loading anything.

        Args:
            folder: The repository.
            open_runner: Loads a model, warms it up and returns what serves it.
            options: How the repository is followed.
        """
        self._folder = folder
        self._open_runner = open_runner
        self._options = options
        self.catalogue = Catalogue((), options.default_model)
        self._entries: dict[Key, Entry] = {}
        self._loaded: dict[Key, Loaded[R]] = {}
        self._loading: Key | None = None
        self._attempts = Attempts(options.watch_s)
        self._asked_for: set[Key] = set()  # by a client, whatever the policy says
        self._given_up: set[Key] = set()  # by a client; version 0 stands for all of them
        self._retiring: dict[asyncio.Task[None], tuple[Key, Loaded[R]]] = {}
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._listeners: list[Callable[[ModelEvent], None]] = []
        self._unreadable = ""
        self._told_default = options.default_model

    # What is served

    def lease(self, name: str = "", version: int = 0, label: str = "") -> Lease[R]:
        """Returns the use of the version that a request means, to be taken with `with`.

        Raises:
            UnknownModelError: There is no such model or version.
            RequestError: The label does not exist, or several models have it.
        """
        model = self.catalogue.choose(name, version, label)
        return Lease(self._loaded[model.name, model.version])

    def find(self, name: str, version: int = 0) -> Lease[R]:
        """Returns the use of a version, the newest for 0; as `lease`, but without a default."""
        model = self.catalogue.find(name, version)
        return Lease(self._loaded[model.name, model.version])

    @property
    def runners(self) -> list[R]:
        """What serves the versions, those included that only their last callers use."""
        retiring = [loaded for _, loaded in self._retiring.values()]
        return [loaded.runner for loaded in (*self._loaded.values(), *retiring)]

    def subscribe(self, listener: Callable[[ModelEvent], None]) -> None:
        """Calls `listener` whenever a version becomes ready, is gone or cannot be loaded."""
        self._listeners.append(listener)

    # Start and end

    async def start(self) -> None:
        """Loads what the policies choose, and begins to watch the repository.

        Raises:
            RepositoryError: It cannot be read.
            NoModelsError: Nothing could be loaded.
        """
        async with self._changing:
            await self._scan()
            await self._settle(force=False)
        if not self._loaded:
            reasons = "; ".join(status.reason for status in self._statuses() if status.reason)
            raise NoModelsError(
                f"there is no sound model in {self._folder.url}"
                + (f": {reasons}" if reasons else ", no NAME/VERSION with model.onnx and card.json")
            )
        if self._options.watch_s:
            self._own(self._watch())

    async def stop(self) -> None:
        """Frees everything, in use or not."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for key, loaded in self._loaded.items():
            self._drain(key, loaded)
        self._loaded.clear()
        self._update_catalogue()
        for _, loaded in self._retiring.values():
            loaded.end_leases()
        await asyncio.gather(*self._retiring)

    # What clients may ask for

    async def index(self) -> list[VersionStatus]:
        """Looks at the repository and returns all versions that are in it or in memory, newest first."""
        try:
            await self._scan()
        except RepositoryError as error:
            logger.warning("%s", error)
        return self._statuses()

    async def load(self, name: str, version: int = 0) -> list[VersionStatus]:
        """Loads what the policy chooses of a model, or a version whatever the policy says.

        Looks at the repository first, and at files that were refused before. Returns the model's versions
        when it is done; a load goes on when its caller leaves.

        Raises:
            ModelControlError: It is not allowed.
            UnknownModelError: The repository has no such model or version.
            CorruptModelError: The version, or the newest, cannot be loaded; what was served before still is.
            RepositoryError: The repository cannot be read.
        """
        self._check_control()
        return await self._shielded(self._load(name, version))

    async def unload(self, name: str, version: int = 0) -> list[VersionStatus]:
        """Serves a model, or one version, no longer, until it is loaded by request; running calls end well.

        An older version that the policy chooses instead is loaded before. Returns the model's versions,
        those included that have not ended yet.

        Raises:
            ModelControlError: It is not allowed.
            UnknownModelError: There is no such model or version.
        """
        self._check_control()
        return await self._shielded(self._unload(name, version))

    async def sync(self) -> None:
        """Brings what is served in step with the repository.

        Raises:
            RepositoryError: It cannot be read; everything stays as it is.
        """
        async with self._changing:
            await self._scan()
            await self._settle(force=False)

    async def _load(self, name: str, version: int) -> list[VersionStatus]:
        async with self._changing:
            await self._scan()
            self._check_known(name, version, self._entries)
            self._given_up -= {(name, 0), (name, version)}
            if version:
                self._asked_for.add((name, version))
            else:
                self._given_up -= {key for key in self._given_up if key[0] == name}
            await self._settle(name, force=True)
        statuses = [status for status in self._statuses() if status.name == name]
        tried = [
            s for s in statuses if s.version == version or (not version and s.state in {"ready", "failed"})
        ]
        if not tried:
            raise UnknownModelError(f"the version policy leaves out all versions of model {name!r}: name one")
        if tried[0].reason:
            served = ", ".join(str(s.version) for s in statuses if s.state == "ready")
            raise CorruptModelError(f"{tried[0].reason}; served of model {name!r}: {served or 'nothing'}")
        return statuses

    async def _unload(self, name: str, version: int) -> list[VersionStatus]:
        async with self._changing:
            self._check_known(name, version, {**self._entries, **self._loaded})
            self._given_up.add((name, version))
            self._asked_for -= {key for key in self._asked_for if key[0] == name and version in {0, key[1]}}
            await self._settle(name, force=False)
        return [status for status in self._statuses() if status.name == name]

    # How it is done

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._options.watch_s)
            try:
                await self.sync()
            except RepositoryError as error:
                if str(error) != self._unreadable:
                    self._unreadable = str(error)
                    logger.warning("everything stays as it is: %s", error)
            except Exception:
                logger.exception("the repository could not be watched")
            else:
                self._unreadable = ""

    async def _scan(self) -> None:
        entries = await asyncio.to_thread(self._folder.scan)
        if not entries and self._loaded:  # as if a volume were not mounted
            raise RepositoryError(f"the model repository {self._folder.url} is empty: what is loaded stays")
        self._entries = {(entry.name, entry.version): entry for entry in entries}
        self._attempts.keep_only(self._entries)

    async def _settle(self, name: str = "", *, force: bool) -> None:
        """Loads and retires until what is served is what should be, of one model or all."""
        names = {name} if name else {key[0] for key in (*self._entries, *self._loaded)}
        for each in sorted(names):
            await self._settle_model(each, force=force)
        await asyncio.to_thread(self._folder.release, [loaded.model for loaded in self._loaded.values()])
        default = self.catalogue.default_model
        if default not in {self._options.default_model, self._told_default}:
            logger.warning("there is no model %r: %r is the default", self._options.default_model, default)
        self._told_default = default

    async def _settle_model(self, name: str, *, force: bool) -> None:
        policy = self._options.policies.of(name)
        entries = {version: entry for (of, version), entry in self._entries.items() if of == name}
        allowed = {v: e for v, e in entries.items() if not self._given_up & {(name, 0), (name, v)}}
        kept: set[int] = set()
        for version in policy.candidates(allowed):
            if policy.limit is not None and len(kept) == policy.limit:
                break
            if await self._ensure(allowed[version], force=force):
                kept.add(version)
        for version in sorted(allowed.keys() - kept):
            if (name, version) in self._asked_for and await self._ensure(allowed[version], force=force):
                kept.add(version)
        loaded = {version for of, version in self._loaded if of == name}
        given_up = {v for v in loaded if self._given_up & {(name, 0), (name, v)}}
        if not kept and allowed:  # there are newer ones, but none is sound: the last one stays
            kept = set(sorted(loaded - given_up)[-1:])
        for version in sorted(loaded - kept):
            self._retire((name, version), self._reason_not_loaded((name, version)))

    async def _ensure(self, entry: Entry, *, force: bool) -> bool:
        """Loads a version unless its files were loaded before; returns whether it is served, new or old."""
        key = entry.name, entry.version
        served = self._loaded.get(key)
        if served and served.fingerprint == entry.fingerprint:
            self._attempts.succeeded(entry)
            return True
        if force or self._attempts.is_due(entry):
            self._loading = key
            try:
                await self._replace(entry, served)
            except Exception as error:
                if not isinstance(error, GeneratorError):
                    logger.exception("model %s version %d could not be loaded", *key)
                self._fail(entry, error)
            finally:
                self._loading = None
        return key in self._loaded

    async def _replace(self, entry: Entry, served: Loaded[R] | None) -> None:
        key, began_s = (entry.name, entry.version), time.monotonic()
        model = await asyncio.to_thread(self._folder.fetch, entry)
        if served and served.model.card == model.card:  # other files with the same content
            served.fingerprint = entry.fingerprint
            self._attempts.succeeded(entry)
            return
        runner = await self._open_runner(model)
        if not await asyncio.to_thread(self._folder.is_unchanged, entry):
            await runner.close()
            raise IncompleteModelError(f"{model.onnx_path} changed while it was loaded")
        self._loaded[key] = Loaded(model, runner, entry.fingerprint)
        self._attempts.succeeded(entry)
        self._update_catalogue()
        took_s = time.monotonic() - began_s
        logger.info("model %s version %d is ready after %.2f s, digest %s", *key, took_s, model.digest[:12])
        self._tell(ModelEvent("ready", *key, digest=model.digest))
        if served:
            self._drain(key, served)

    def _fail(self, entry: Entry, error: Exception) -> None:
        key = entry.name, entry.version
        if self._attempts.failed(entry, error):
            reason = self._attempts.reason(key)
            level = logging.WARNING if isinstance(error, IncompleteModelError) else logging.ERROR
            kept = "its earlier content stays" if key in self._loaded else "it is left out"
            logger.log(level, "model %s version %d cannot be loaded, %s: %s", *key, kept, reason)
            self._tell(ModelEvent("failed", *key, reason=reason))

    def _retire(self, key: Key, reason: str) -> None:
        loaded = self._loaded.pop(key)
        self._update_catalogue()
        logger.info("model %s version %d is served no longer: %s", *key, reason)
        self._tell(ModelEvent("gone", *key, reason=reason))
        self._drain(key, loaded)

    def _drain(self, key: Key, loaded: Loaded[R]) -> None:
        task = asyncio.create_task(loaded.close_when_free())
        self._retiring[task] = key, loaded
        task.add_done_callback(lambda task: self._retiring.pop(task, None))

    def _update_catalogue(self) -> None:
        models = (loaded.model for loaded in self._loaded.values())
        self.catalogue = Catalogue(
            sorted(models, key=lambda model: (model.name, -model.version)), self._options.default_model
        )

    def _statuses(self) -> list[VersionStatus]:
        retiring = [key for key, _ in self._retiring.values()]
        keys = {*self._entries, *self._loaded, *retiring}
        return [self._status(key) for key in sorted(keys, key=lambda key: (key[0], -key[1]))]

    def _status(self, key: Key) -> VersionStatus:
        loaded = self._loaded.get(key)
        problem = self._attempts.reason(key)
        calls = sum(other.leases for of, other in self._retiring.values() if of == key)
        if loaded:
            return VersionStatus(*key, "ready", problem, loaded.model.digest, calls + loaded.leases)
        if key == self._loading:
            return VersionStatus(*key, "loading", calls=calls)
        if calls:
            return VersionStatus(*key, "unloading", self._reason_not_loaded(key), calls=calls)
        if problem:
            return VersionStatus(*key, "failed", problem)
        return VersionStatus(*key, "not_loaded", self._reason_not_loaded(key))

    def _reason_not_loaded(self, key: Key) -> str:
        if self._given_up & {key, (key[0], 0)}:
            return "it was unloaded by request"
        return "the version policy leaves it out" if key in self._entries else "it is not in the repository"

    def _check_control(self) -> None:
        if not self._options.model_control:
            raise ModelControlError(
                "clients may not load and unload models here: the server's setting model_control allows it"
            )

    def _check_known(self, name: str, version: int, known: dict[Key, Any]) -> None:
        names = {key[0] for key in known}
        versions = {key[1] for key in known if key[0] == name}
        if name not in names:
            raise UnknownModelError(
                f"the repository has no model {name!r}; it has {', '.join(sorted(names)) or 'none'}"
            )
        if version and version not in versions:
            raise UnknownModelError(
                f"the repository has no version {version} of model {name!r}; "
                f"it has {', '.join(map(str, sorted(versions)))}"
            )

    def _tell(self, event: ModelEvent) -> None:
        for listener in self._listeners:
            listener(event)

    def _own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.shield(self._own(work))

"""What is served, kept in step with a repository."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from services.generator.catalogue import Catalogue
from services.generator.errors import (
    CorruptModelError,
    ModelControlError,
    NoModelsError,
    RepositoryError,
    UnknownModelError,
)
from services.generator.models import Model
from services.generator.repository.attempts import Attempts
from services.generator.repository.folder import Entry, Folder
from services.generator.repository.lease import Lease, R
from services.generator.repository.memory import Memory
from services.generator.repository.policy import ALL_VERSIONS, VersionPolicies
from services.generator.repository.status import Index, Key, ModelEvent, VersionStatus
from services.generator.repository.wishes import Wishes

logger = logging.getLogger(__name__)

T = TypeVar("T")


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
    """Serves the versions that policies choose from a repository; start it first, stop it in the end.

    - A version is served once it is loaded and warmed up, never before; only then does an older one, or the
      earlier content of the same one, lose its place.
    - Files that are incomplete or corrupt change nothing of what is served, and are looked at again.
    - A model does not lose its last version because its newer ones are not sound.

    All methods belong to one event loop.
    """

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
        self._options = options
        self._attempts = Attempts(options.watch_s)
        self._memory = Memory(folder, open_runner, self._attempts, options.default_model)
        self._wishes = Wishes()
        self._entries: dict[Key, Entry] = {}
        self._problem = ""
        self._told_default = options.default_model
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Loads what the policies choose, and begins to watch the repository.

        Raises:
            RepositoryError: It cannot be read.
            NoModelsError: Nothing could be loaded.
        """
        await self.sync()
        if not self._memory.served:
            reasons = "; ".join(status.reason for status in self._statuses())
            raise NoModelsError(
                f"there is no sound model in {self._folder.url}: "
                + (reasons or "it has no NAME/VERSION with model.onnx and card.json")
            )
        if self._options.watch_s:
            self._own(self._watch())

    async def stop(self) -> None:
        """Frees everything, in use or not."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._memory.clear()

    @property
    def catalogue(self) -> Catalogue:
        """What is served now."""
        return self._memory.catalogue

    @property
    def runners(self) -> list[R]:
        """What serves the versions in memory, those included that only calls under way use."""
        return self._memory.runners

    def lease(self, name: str = "", version: int = 0, label: str = "") -> Lease[R]:
        """Returns the use of the version that a request means, to be taken at once with `with`.

        Raises:
            UnknownModelError: There is no such model or version.
            RequestError: The label does not exist, or several models have it.
        """
        return self._memory.lease(self.catalogue.choose(name, version, label))

    def find(self, name: str, version: int = 0) -> Lease[R]:
        """Returns the use of a version of a model, the newest for 0, to be taken at once with `with`.

        Raises:
            UnknownModelError: There is no such model or version.
        """
        return self._memory.lease(self.catalogue.find(name, version))

    def subscribe(self, listener: Callable[[ModelEvent], None]) -> None:
        """Calls `listener`, in the event loop, when a version becomes ready, is gone or cannot be loaded."""
        self._memory.subscribe(listener)

    async def index(self) -> Index:
        """Looks at the repository and returns what is in it and in memory."""
        try:
            await self._scan()
        except RepositoryError as error:
            return Index(self._folder.url, self._statuses(), str(error))
        return Index(self._folder.url, self._statuses())

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
        return await asyncio.shield(self._own(self._load(name, version)))

    async def unload(self, name: str, version: int = 0) -> list[VersionStatus]:
        """Serves a model, or one version, no longer, until it is loaded by `load`; running calls end well.

        An older version that the policy chooses instead is loaded before. Returns the model's versions.

        Raises:
            ModelControlError: It is not allowed.
            UnknownModelError: There is no such model or version.
        """
        self._check_control()
        return await asyncio.shield(self._own(self._unload(name, version)))

    async def sync(self) -> None:
        """Brings what is served in step with the repository.

        Raises:
            RepositoryError: It cannot be read; everything stays as it is.
        """
        async with self._changing:
            await self._scan()
            names = {name for name, _ in (*self._entries, *self._memory.served)}
            await self._settle(names)

    async def _load(self, name: str, version: int) -> list[VersionStatus]:
        async with self._changing:
            await self._scan()
            _check_known(name, version, self._entries)
            self._wishes.load(name, version)
            await self._settle([name], force=True)
        statuses = self._statuses(name)
        tried = [
            s for s in statuses if s.version == version or (not version and s.state in {"ready", "failed"})
        ]
        if not tried:
            raise UnknownModelError(f"the version policy leaves out all versions of model {name!r}: name one")
        if tried[0].reason:
            served = ", ".join(str(status.version) for status in statuses if status.state == "ready")
            raise CorruptModelError(f"{tried[0].reason}; served of model {name!r}: {served or 'nothing'}")
        return statuses

    async def _unload(self, name: str, version: int) -> list[VersionStatus]:
        async with self._changing:
            _check_known(name, version, {*self._entries, *self._memory.served})
            self._wishes.unload(name, version)
            await self._settle([name])
        return self._statuses(name)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._options.watch_s)
            try:
                await self.sync()
            except RepositoryError as error:
                if str(error) != self._problem:
                    logger.warning("everything stays as it is: %s", error)
                self._problem = str(error)
            except Exception:
                logger.exception("the model repository could not be watched")
            else:
                self._problem = ""

    async def _scan(self) -> None:
        entries = await asyncio.to_thread(self._folder.scan)
        if not entries and self._memory.served:  # as if a volume were not mounted
            raise RepositoryError(f"the model repository {self._folder.url} is empty: what is loaded stays")
        self._entries = {(entry.name, entry.version): entry for entry in entries}
        self._attempts.keep_only(self._entries)

    async def _settle(self, names: Collection[str], *, force: bool = False) -> None:
        """Loads and retires until what is served of some models is what should be."""
        for name in sorted(names):
            await self._settle_model(name, force=force)
        in_use = [loaded.model for loaded in self._memory.served.values()]
        await asyncio.to_thread(self._folder.release, in_use)
        default = self.catalogue.default_model
        if default not in {self._options.default_model, self._told_default}:
            logger.warning("there is no model %r: %r is the default", self._options.default_model, default)
        self._told_default = default

    async def _settle_model(self, name: str, *, force: bool) -> None:
        policy = self._options.policies.of(name)
        allowed = {
            version: entry
            for (of, version), entry in self._entries.items()
            if of == name and not self._wishes.refuses((of, version))
        }
        kept: set[int] = set()
        for version in policy.candidates(allowed):
            if policy.limit is not None and len(kept) == policy.limit:
                break
            if await self._memory.ensure(allowed[version], force=force):
                kept.add(version)
        for version in sorted(allowed.keys() - kept):
            wanted = self._wishes.wants((name, version))
            if wanted and await self._memory.ensure(allowed[version], force=force):
                kept.add(version)
        served = self._memory.versions_of(name)
        if allowed and not kept:  # none of them is sound: the last one that is stays
            kept = {max((v for v in served if not self._wishes.refuses((name, v))), default=0)}
        for version in sorted(served - kept):
            self._memory.retire((name, version), self._why_not((name, version)))

    def _statuses(self, name: str = "") -> list[VersionStatus]:
        """Returns the state of a model's versions, or of all."""
        keys = {key for key in (*self._entries, *self._memory.keys) if name in {"", key[0]}}
        return [self._status(key) for key in sorted(keys, key=lambda key: (key[0], -key[1]))]

    def _status(self, key: Key) -> VersionStatus:
        loaded, problem = self._memory.served.get(key), self._attempts.reason(key)
        calls = sum(old.leases for old in self._memory.retired(key))
        if loaded:
            calls += loaded.leases
            return VersionStatus(*key, "ready", problem, loaded.model.digest, calls, loaded.loaded_at)
        if key == self._memory.loading:
            return VersionStatus(*key, "loading", "", calls=calls)
        if calls:
            return VersionStatus(*key, "unloading", self._why_not(key), calls=calls)
        if problem:
            return VersionStatus(*key, "failed", problem)
        return VersionStatus(*key, "not_loaded", self._why_not(key))

    def _why_not(self, key: Key) -> str:
        if self._wishes.refuses(key):
            return "it was unloaded by request"
        return "the version policy leaves it out" if key in self._entries else "it is not in the repository"

    def _check_control(self) -> None:
        if not self._options.model_control:
            raise ModelControlError(
                "clients may not load and unload models here: the server's setting model_control allows it"
            )

    def _own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts work that goes on until it ends or the registry stops, whoever waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _check_known(name: str, version: int, known: Collection[Key]) -> None:
    names = sorted({of for of, _ in known})
    versions = sorted(version for of, version in known if of == name)
    if name not in names:
        raise UnknownModelError(f"the repository has no model {name!r}; it has {', '.join(names) or 'none'}")
    if version and version not in versions:
        has = ", ".join(map(str, versions))
        raise UnknownModelError(f"the repository has no version {version} of model {name!r}; it has {has}")

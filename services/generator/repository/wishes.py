"""What clients asked to load and unload, whatever the version policy says."""

from __future__ import annotations

from services.generator.repository.status import Key


class Wishes:
    """The last word of clients on each version."""

    def __init__(self) -> None:
        self._wanted: set[Key] = set()
        self._unwanted: set[Key] = set()  # version 0 stands for all of a model

    def load(self, name: str, version: int) -> None:
        """Takes note that a version is wanted; with 0 that the policy decides on all of a model again."""
        if version:
            self._wanted.add((name, version))
            self._unwanted -= {(name, version), (name, 0)}
        else:
            self._unwanted = {key for key in self._unwanted if key[0] != name}

    def unload(self, name: str, version: int) -> None:
        """Takes note that a version is not wanted; with 0 all of a model, those included that will appear."""
        self._wanted = {key for key in self._wanted if key[0] != name or version not in {0, key[1]}}
        self._unwanted.add((name, version))

    def wants(self, key: Key) -> bool:
        """Whether a version is wanted."""
        return key in self._wanted

    def refuses(self, key: Key) -> bool:
        """Whether a version is not wanted."""
        return bool(self._unwanted & {key, (key[0], 0)})

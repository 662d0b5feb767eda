"""Where models lie: `<name>/<version>/{model.onnx,card.json}` below a local folder or an fsspec URL."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.generator.models import NAME_PATTERN, VERSION_PATTERN, Model

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One version's folder, whatever is in it."""

    name: str
    """Model name."""
    version: int
    """Version."""
    fingerprint: str
    """Another one whenever a file of the version is another one."""


class Folder(Protocol):
    """A model repository. Its methods take their time: they belong into a thread."""

    url: str
    """What a user calls it."""

    def scan(self) -> list[Entry]:
        """Returns the versions that are there, in no particular order.

        Raises:
            RepositoryError: The repository cannot be read, or the library for its URL is not installed.
        """
        ...

    def fetch(self, entry: Entry) -> Model:
        """Returns a version, its graph's file on this machine.

        Raises:
            IncompleteModelError: A file is missing, or not the one that the card names.
            CorruptModelError: The files are of no use.
            RepositoryError: They cannot be brought here.
        """
        ...

    def is_unchanged(self, entry: Entry) -> bool:
        """Whether the files that `fetch` checked are still the same: asked after they were loaded."""
        ...

    def release(self, in_use: Sequence[Model]) -> None:
        """Frees what is kept of other versions than these."""
        ...


def open_folder(location: str | Path, cache: Path | None = None) -> Folder:
    """Returns the model repository at a path or an fsspec URL, such as `s3://bucket/models`.

    Args:
        location: Path or URL; `file://` is a path.
        cache: Folder for the files of a URL; None takes the user's cache folder.
    """
    from services.generator.repository.local import LocalFolder
    from services.generator.repository.remote import RemoteFolder

    text = str(location)
    if text.startswith("file://"):
        return LocalFolder(Path(text.removeprefix("file://")))
    if "://" in text:
        return RemoteFolder(text, cache)
    return LocalFolder(Path(text).expanduser())


class Places:
    """Tells versions' folders from others by their names; names each that looks like a mistake once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def version_of(self, name: str, version: str, where: str) -> tuple[str, int] | None:
        """Returns name and version of the folder `<name>/<version>` at `where`, or None when it is none.

        Hidden folders are left out silently, so that a version can be put together in one and then renamed.
        """
        if name.startswith(".") or version.startswith("."):
            return None
        if NAME_PATTERN.fullmatch(name) and VERSION_PATTERN.fullmatch(version):
            return name, int(version)
        if where not in self._told:
            self._told.add(where)
            logger.warning(
                "%s is left out: a version lies in NAME/VERSION, NAME of lower-case letters, digits and "
                "hyphens, VERSION a number from 1 on",
                where,
            )
        return None

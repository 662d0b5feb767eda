"""Where raw data lies: local paths and URLs, read the same way.

URLs go through fsspec (s3://, gs://, memory://, ...), apart from http: the standard library streams that, and
no directory can be listed there.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from trainer.data.errors import SourceError

HTTP_TIMEOUT_S = 60.0
FILES_AT_ONCE = 64
"""Files asked of a remote store together."""


class Folder(Protocol):
    """A tree of files."""

    def names(self) -> list[str]:
        """Returns the sorted paths of all files, relative, with forward slashes."""
        ...

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yields each name with the file's content, in the order asked for."""
        ...


@dataclass(frozen=True)
class LocalFolder:
    """A folder of this machine; links are followed."""

    path: Path

    def names(self) -> list[str]:
        """Returns the sorted paths of all files."""
        found: list[str] = []
        for folder, subfolders, files in os.walk(self.path, followlinks=True):
            here = Path(folder)
            above = {here.resolve(), *here.resolve().parents}
            subfolders[:] = [name for name in subfolders if (here / name).resolve() not in above]
            found += [(here / name).relative_to(self.path).as_posix() for name in files]
        return sorted(found)

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yields each name with the file's content."""
        for name in names:
            yield name, (self.path / name).read_bytes()


@dataclass(frozen=True)
class RemoteFolder:
    """A folder that fsspec reaches."""

    url: str
    fs: Any
    root: str

    def names(self) -> list[str]:
        """Returns the sorted paths of all files."""
        with reading(self.url):
            return sorted(path.removeprefix(self.root).lstrip("/") for path in self.fs.find(self.root))

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yields each name with the file's content."""
        names = list(names)
        for start in range(0, len(names), FILES_AT_ONCE):
            paths = {f"{self.root}/{name}": name for name in names[start : start + FILES_AT_ONCE]}
            with reading(self.url):
                contents = self.fs.cat(list(paths))
            for path, name in paths.items():
                yield name, contents[path]


def is_url(location: str) -> bool:
    """Says whether a location is a URL rather than a path."""
    return "://" in location


def is_http(location: str) -> bool:
    """Says whether a location is an http or https URL."""
    return location.startswith(("http://", "https://"))


def folder_at(location: str) -> Folder | None:
    """Returns the folder at a location, None when a file is there.

    Raises:
        SourceError: nothing is there, or it cannot be reached.
    """
    if is_http(location):
        return None
    if not is_url(location):
        path = Path(location)
        if not path.exists():
            raise SourceError(f"{location} does not exist")
        return LocalFolder(path) if path.is_dir() else None
    with reading(location):
        # Imported late: it takes half a second that local data does not need.
        from fsspec.core import url_to_fs

        fs, root = url_to_fs(location)
        root = root.rstrip("/")
        if not fs.exists(root):
            raise FileNotFoundError(location)
        return RemoteFolder(location, fs, root) if fs.isdir(root) else None


@contextmanager
def open_file(location: str) -> Iterator[BinaryIO]:
    """Opens the file at a location for reading from start to end.

    Raises:
        SourceError: it cannot be reached.
    """
    with reading(location):
        if is_http(location):
            stream = urllib.request.urlopen(location, timeout=HTTP_TIMEOUT_S)  # noqa: S310 - it is http
        elif is_url(location):
            from fsspec.core import url_to_fs

            fs, path = url_to_fs(location)
            stream = fs.open(path, "rb")
        else:
            stream = Path(location).open("rb")  # noqa: SIM115 - closed below
    with stream:
        yield cast("BinaryIO", stream)


@contextmanager
def reading(location: str) -> Iterator[None]:
    """Turns what stores raise into a sentence about `location`."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"{location} does not exist") from error
    except (OSError, ValueError, ImportError) as error:
        raise SourceError(f"{location} cannot be read: {error}") from error

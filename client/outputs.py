"""Where images go: stdout, one file, a tar or a folder, on this machine or behind a URL of fsspec.

Files appear whole or not at all: they are written under a temporary name and renamed, or sent in one piece.
What exists is not replaced unless asked for. Tars carry no times and owners, so the same images give the
same bytes.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeGuard

from client.errors import InputError
from client.places import is_url
from client.tarstream import TarWriter, write_tar
from client.writing import atomic_file, check_free, make_folder, open_stdout, put_url, url_exists, url_file


@dataclass(frozen=True)
class Output:
    """One image to write, with the files that belong to it."""

    key: str
    """Path without extension, with `/`."""
    extension: str
    """Extension of the image, with the dot."""
    data: bytes
    """The image file."""
    companions: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """Other files of the sample by extension; a lone file leaves them out."""
    source: Path | None = None
    """The file it was made from, which must not be overwritten."""

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yields all files by name, the image first."""
        yield self.key + self.extension, self.data
        for extension, data in self.companions.items():
            if extension != self.extension:
                yield self.key + extension, data


class Sink(ABC):
    """Takes images."""

    @abstractmethod
    def add(self, output: Output) -> None:
        """Writes one image."""


class FileSink(Sink):
    """Writes one image as a plain file; a second is an error."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self._path = path
        self._is_used = False

    def add(self, output: Output) -> None:
        """Writes the image alone.

        Raises:
            InputError: It is the second one.
        """
        if self._is_used:
            raise InputError(
                f"there are several images: {self._path} must be a .tar or a folder (end it with /)"
            )
        self._is_used = True
        self._file.write(output.data)


class TarSink(Sink):
    """Writes a tar stream in WebDataset's convention."""

    def __init__(self, tar: TarWriter) -> None:
        self._tar = tar

    def add(self, output: Output) -> None:
        """Writes the image and its companions next to each other."""
        for name, data in output.files():
            self._tar.add(name, data)


class FolderSink(Sink):
    """Writes files below a folder, each whole or not at all."""

    def __init__(self, folder: Path, *, force: bool) -> None:
        self._folder = folder
        self._force = force

    def add(self, output: Output) -> None:
        """Writes the image and its companions.

        Raises:
            InputError: The image would overwrite what it was made from, or without force any file.
            WriteError: The folder cannot be written to.
        """
        image = self._folder / f"{output.key}{output.extension}"
        if output.source and image.exists() and image.samefile(output.source):
            raise InputError(f"{image} is the input itself: choose another folder, so that nothing is lost")
        files = [(self._folder / name, data) for name, data in output.files()]
        if not self._force:
            check_free(image)
            for path, data in files[1:]:
                check_free(path, unless=data)
        # The image comes last: where it is, what belongs to it is as well.
        for path, data in reversed(files):
            make_folder(path.parent)
            with atomic_file(path) as file:
                file.write(data)


class UrlFolderSink(Sink):
    """Sends files to below a URL."""

    def __init__(self, url: str, *, force: bool) -> None:
        self._url = url.rstrip("/")
        self._force = force

    def add(self, output: Output) -> None:
        """Sends the image and its companions; raises as `FolderSink.add` does."""
        files = [(f"{self._url}/{name}", data) for name, data in output.files()]
        for url, _ in files if not self._force else ():
            if url_exists(url):
                raise InputError(f"{url} exists: --force replaces it")
        for url, data in reversed(files):
            put_url(url, data)


@contextmanager
def open_sink(
    target: str | None, *, is_stream: bool, total: int | None = None, force: bool
) -> Generator[Sink]:
    """Opens what `-o` names: None or "-" is stdout.

    A name that ends in `.tar` is a tar; an existing folder or a name that ends in `/` a folder; any
    other a file for one image. On stdout a stream of images is a tar, and one image a plain file.
    On an error, files of one image and tars are left as they were.

    Args:
        target: Path or URL.
        is_stream: Many images may come.
        total: How many files they come from, where that is known.
        force: Replace files that exist.

    Raises:
        InputError: stdout is a terminal, the place is none or takes one image only, or a file exists there.
        WriteError: The place cannot be written to.
    """
    if is_folder(target):
        if is_url(target):
            yield UrlFolderSink(target, force=force)
        else:
            make_folder(Path(target))
            yield FolderSink(Path(target), force=force)
        return
    name = PurePosixPath(target or "-").name
    if name.endswith((".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")):
        raise InputError(f"{target}: images hardly shrink by gzip and the like: name a plain .tar")
    is_tar = is_stream if is_stdout(target) else name.endswith(".tar")
    if not is_tar and (total or 1) > 1:
        raise InputError(f"there are {total} files: {target} must be a .tar or a folder (end it with /)")
    with open_file(target, force=force) as file:
        if is_tar:
            with write_tar(file) as tar:
                yield TarSink(tar)
        else:
            yield FileSink(file, target or "stdout")


@contextmanager
def open_file(target: str | None, *, force: bool) -> Generator[BinaryIO]:
    """Opens one file, here or behind a URL, that appears whole or not at all; None or "-" is stdout.

    Raises:
        InputError: stdout is a terminal, or without force the file exists.
        WriteError: It cannot be written.
    """
    if target in (None, "-"):
        if sys.stdout.isatty():
            raise InputError(
                "images are not written to the terminal: name a place with -o, "
                "or pipe them on, as in `| client compress -o out/`, or to a file with >"
            )
        opened = open_stdout()
    elif is_url(target):
        opened = url_file(target, force=force)
    else:
        opened = atomic_file(Path(target), force=force)
    with opened as file:
        yield file


def output_path(target: str | None) -> Path | None:
    """Returns the local path that `-o` names, None for stdout and URLs."""
    return None if target in (None, "-") or is_url(target) else Path(target)


def is_stdout(target: str | None) -> bool:
    """Tells whether `-o` names stdout."""
    return target in (None, "-")


def is_folder(target: str | None) -> TypeGuard[str]:
    """Tells whether `-o` names a folder: one that exists, or a name that ends in `/`."""
    return target not in (None, "-") and (target.endswith(("/", os.sep)) or Path(target).is_dir())

"""Where images go: stdout, one file, a tar or a folder.

Files appear whole or not at all: they are written under a temporary name and renamed. Tars carry no
times and owners, so the same images give the same bytes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from client.errors import InputError
from client.tarstream import TarWriter, write_tar


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

    def __init__(self, file: BinaryIO, path: Path | None = None) -> None:
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

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, output: Output) -> None:
        """Writes the image and its companions.

        Raises:
            InputError: The image would overwrite what it was made from.
        """
        image = self._folder / f"{output.key}{output.extension}"
        if output.source and image.exists() and image.samefile(output.source):
            raise InputError(f"{image} is the input itself: choose another folder, so that nothing is lost")
        for name, data in output.files():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as file:
                file.write(data)


@contextmanager
def open_sink(target: str | None, *, is_stream: bool) -> Generator[Sink]:
    """Opens what `-o` names: None or "-" is stdout.

    A name that ends in `.tar` is a tar; an existing folder or a name that ends in `/` a folder; any
    other a file for one image. On stdout a stream of images is a tar, and one image a plain file.
    On an error, files of one image and tars are left as they were.

    Raises:
        InputError: stdout is a terminal, or the place cannot be written to.
    """
    path = output_path(target)
    if not path:
        if sys.stdout.isatty():
            raise InputError(
                "images are not written to the terminal: name a place with -o, "
                "or pipe them on, as in `| client compress -o out/`, or to a file with >"
            )
        with _stdout() as file:
            if is_stream:
                with write_tar(file) as tar:
                    yield TarSink(tar)
            else:
                yield FileSink(file)
    elif is_folder(target):
        path.mkdir(parents=True, exist_ok=True)
        yield FolderSink(path)
    elif path.name.endswith((".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")):
        raise InputError(f"{path}: images hardly shrink by gzip and the like: name a plain .tar")
    else:
        with atomic_file(path) as file:
            if path.suffix == ".tar":
                with write_tar(file) as tar:
                    yield TarSink(tar)
            else:
                yield FileSink(file, path)


def output_path(target: str | None) -> Path | None:
    """Returns the path that `-o` names, None for stdout."""
    return None if target in (None, "-") else Path(target)


def is_folder(target: str | None) -> bool:
    """Tells whether `-o` names a folder: one that exists, or a name that ends in `/`."""
    return target not in (None, "-") and (target.endswith(("/", os.sep)) or Path(target).is_dir())


@contextmanager
def atomic_file(path: Path) -> Generator[BinaryIO]:
    """Opens a file that takes its name when the block ends well, and leaves nothing when it does not.

    Devices and pipes are written to as they are; a link keeps pointing at its file.

    Raises:
        InputError: The folder does not exist.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    path = path.resolve()
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path.name!r}: there is no folder {str(path.parent)!r}")
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:64]}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        temporary.chmod(0o666 & ~_umask())  # what an ordinary new file gets
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _stdout() -> Generator[BinaryIO]:
    # Not sys.stdout: what it could not write after the reader has gone, it would write again at exit.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as file:
        yield file


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask

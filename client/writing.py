"""Files written whole or not at all, and what can go wrong, in words."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from client.errors import GanpressError, InputError, WriteError
from client.places import filesystem, reason

_ONE_FILE_ONLY = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.EINVAL}
"""Errors that say nothing of the next file."""


@contextmanager
def atomic_file(path: Path, *, force: bool = True) -> Generator[BinaryIO]:
    """Opens a file that takes its name when the block ends well, and leaves nothing when it does not.

    Devices and pipes are written to as they are; a link keeps pointing at its file.

    Raises:
        InputError: The folder does not exist, the name cannot be one, or without force the file exists.
        WriteError: Nothing can be written there.
    """
    if path.exists() and not path.is_file():
        with _explained(path), path.open("wb", buffering=0) as file:
            yield file
        return
    if not force:
        check_free(path)
    target = path.resolve()
    if not target.parent.is_dir():
        raise InputError(f"cannot write {target.name!r}: there is no folder {str(target.parent)!r}")
    with _explained(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:64]}.", suffix=".part", dir=target.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            temporary.chmod(0o666 & ~_umask())  # what an ordinary new file gets
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def check_free(path: Path, *, unless: bytes | None = None) -> None:
    """Checks that there is no file yet, or one that holds the bytes `unless`.

    Raises:
        InputError: There is one.
    """
    if path.is_file() and (unless is None or path.read_bytes() != unless):
        raise InputError(f"{path} exists: --force replaces it")


def make_folder(path: Path) -> None:
    """Makes a folder and those above it.

    Raises:
        InputError: A file is in its place.
        WriteError: Nothing can be written there.
    """
    with _explained(path):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def open_stdout() -> Generator[BinaryIO]:
    """Opens stdout for bytes.

    Raises:
        WriteError: It takes no more.
    """
    # Not sys.stdout: what it could not write after the reader has gone, it would write again at exit.
    with _explained("stdout"), os.fdopen(os.dup(sys.stdout.fileno()), "wb") as file:
        yield file


@contextmanager
def url_file(url: str, *, force: bool) -> Generator[BinaryIO]:
    """Opens a file that is sent to a URL when the block ends well.

    Raises:
        InputError: Without force: there is one.
        WriteError: It cannot be sent.
    """
    if not force and url_exists(url):
        raise InputError(f"{url} exists: --force replaces it")
    with tempfile.NamedTemporaryFile() as file:
        yield file  # type: ignore[misc] - a wrapper around a binary file
        file.flush()
        fs, path = filesystem(url)
        try:
            fs.put_file(file.name, path)
        except Exception as error:
            raise WriteError(f"cannot write {url}: {reason(error)}") from error


def put_url(url: str, data: bytes) -> None:
    """Writes a file behind a URL, over an old one if there is one.

    Raises:
        WriteError: It cannot be written.
    """
    fs, path = filesystem(url)
    try:
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        fs.pipe_file(path, data)
    except Exception as error:
        raise WriteError(f"cannot write {url}: {reason(error)}") from error


def url_exists(url: str) -> bool:
    """Tells whether there is a file behind a URL.

    Raises:
        WriteError: The place cannot be looked at.
    """
    fs, path = filesystem(url)
    try:
        return fs.exists(path)
    except Exception as error:
        raise WriteError(f"cannot look at {url}: {reason(error)}") from error


@contextmanager
def _explained(path: Path | str) -> Generator[None]:
    """Turns errors of the system into sentences that name the file."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (GanpressError, OSError) as error:
        if isinstance(error, GanpressError):
            raise
        kind = InputError if error.errno in _ONE_FILE_ONLY else WriteError
        raise kind(f"cannot write {path}: {reason(error)}") from error


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask

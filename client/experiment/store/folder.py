"""Where results lie: a folder or any URL that fsspec opens, with writes that are whole and durable."""

from __future__ import annotations

import io
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec  # pyright: ignore[reportMissingTypeStubs]

from client.errors import GanpressError, InputError


class StoreError(GanpressError):
    """The results cannot be read or written: a full disk, no permission, no such bucket."""


class Store:
    """Files below a folder or URL, by names with `/`.

    A file that is written appears whole or not at all, and is on the disk (or with the object store) when
    `put` returns. All methods block and may be called from any thread.
    """

    def __init__(self, location: str) -> None:
        """Takes a path or a URL such as `s3://bucket/results`; nothing is touched yet.

        Raises:
            InputError: No such kind of URL, or the package for it is not installed.
        """
        self.location = location.rstrip("/") or "/"
        try:
            # Another process may write beside this one: listings must not be remembered.
            self._fs, root = _filesystem(location)
        except (ImportError, ValueError) as error:
            raise InputError(f"cannot write to {location}: {error}") from error
        self._root = root.rstrip("/")
        self.is_local = type(self._fs).__name__ == "LocalFileSystem"

    @property
    def filesystem(self) -> Any:
        """Returns fsspec's filesystem."""
        return self._fs

    def path(self, name: str) -> str:
        """Returns a file's path on that filesystem."""
        return f"{self._root}/{name}" if name else self._root

    def query_path(self, name: str) -> str:
        """Returns a file's path as DuckDB knows it, once the filesystem is registered there."""
        if self.is_local:
            return self.path(name)
        protocol = self._fs.protocol if isinstance(self._fs.protocol, str) else self._fs.protocol[0]
        return f"{protocol}://{self.path(name)}"

    def exists(self, name: str) -> bool:
        """Tells whether there is a file of this name.

        Raises:
            StoreError: The store cannot be asked.
        """
        try:
            return bool(self._fs.exists(self.path(name)))
        except Exception as error:
            raise self._cannot("read", name, error) from error

    def put_file(self, name: str, path: Path) -> None:
        """Writes a file as `put` does, from one on the disk, which need not fit into memory.

        Raises:
            StoreError: It cannot be written.
        """
        try:
            if self.is_local:
                with path.open("rb") as source:
                    _put_durably(Path(self.path(name)), source)
            else:
                self._fs.put_file(str(path), self.path(name))
        except Exception as error:
            raise self._cannot("write", name, error) from error

    def put(self, name: str, data: bytes) -> None:
        """Writes a file, over an old one if there is one.

        Raises:
            StoreError: It cannot be written; an old one is as it was.
        """
        try:
            if self.is_local:
                _put_durably(Path(self.path(name)), io.BytesIO(data))
            else:
                self._fs.pipe_file(self.path(name), data)
        except Exception as error:
            raise self._cannot("write", name, error) from error

    def get(self, name: str) -> bytes | None:
        """Returns what a file holds, None when there is none.

        Raises:
            StoreError: It cannot be read.
        """
        try:
            return self._fs.cat_file(self.path(name))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise self._cannot("read", name, error) from error

    def names(self, folder: str) -> list[str]:
        """Returns the names of all files below a folder, sorted; none when it does not exist.

        Raises:
            StoreError: It cannot be listed.
        """
        try:
            found = self._fs.find(self.path(folder))
        except FileNotFoundError:
            return []
        except Exception as error:
            raise self._cannot("read", folder, error) from error
        # Dots begin what `put` had not finished when it was killed.
        names = (str(path)[len(self._root) + 1 :] for path in found)
        return sorted(name for name in names if not name.rpartition("/")[2].startswith("."))

    def delete(self, names: Iterable[str]) -> None:
        """Deletes files; those that are not there are passed over.

        Raises:
            StoreError: One cannot be deleted.
        """
        for name in names:
            try:
                self._fs.rm_file(self.path(name))
            except FileNotFoundError:
                continue
            except Exception as error:
                raise self._cannot("delete", name, error) from error

    def delete_folder(self, folder: str) -> None:
        """Deletes a folder with all that is in it; one that is not there is passed over.

        Raises:
            StoreError: It cannot be deleted.
        """
        try:
            self._fs.rm(self.path(folder), recursive=True)
        except FileNotFoundError:
            return
        except Exception as error:
            raise self._cannot("delete", folder, error) from error

    def is_empty(self) -> bool:
        """Tells whether nothing lies there."""
        return not self.names("")

    def _cannot(self, verb: str, name: str, error: Exception) -> StoreError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return StoreError(f"cannot {verb} {self.location}/{name}: {reason or type(error).__name__}")


def _filesystem(location: str) -> tuple[Any, str]:
    options: dict[str, Any] = {"use_listings_cache": False} if "://" in location else {}
    return cast("Any", fsspec).url_to_fs(location, **options)


def _put_durably(path: Path, source: BinaryIO) -> None:
    temporary = path.with_name(f".{path.name[:64]}.{uuid.uuid4().hex[:8]}.part")
    try:
        try:
            file = temporary.open("wb")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = temporary.open("wb")
        with file:
            shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # the new name is on the disk only with its folder
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

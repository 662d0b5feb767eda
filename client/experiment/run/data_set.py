"""Real images by name, in a folder, a tar or a file, here or behind a URL that fsspec opens."""

from __future__ import annotations

import fnmatch
import tarfile
import threading
from abc import ABC, abstractmethod
from pathlib import PurePosixPath
from typing import Any, cast

import fsspec  # pyright: ignore[reportMissingTypeStubs]

from client.errors import InputError
from client.samples import IMAGE_EXTENSIONS

_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


class DataSet(ABC):
    """Images by their names, read one at a time in any order, from any thread."""

    names: list[str]
    """Names of all images, sorted, with `/`."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Returns an image file.

        Raises:
            OSError: It cannot be read.
        """

    def select(self, pattern: str) -> list[str]:
        """Returns the names that match a pattern, in which * stands for any characters."""
        return [name for name in self.names if fnmatch.fnmatchcase(name, pattern)]


def open_data_set(location: str) -> DataSet:
    """Returns the images at a path or URL.

    Raises:
        InputError: There is nothing, or it cannot be read.
    """
    try:
        fs, root = cast("tuple[Any, str]", cast("Any", fsspec).url_to_fs(location))
        if fs.isdir(root):
            return _Folder(fs, root.rstrip("/"))
        if not fs.exists(root):
            raise InputError(f"there is no file or folder {location!r}")
        if root.endswith(_PACKED):
            raise InputError(
                f"{location}: a packed tar cannot be read in any order: unpack it to a plain .tar"
            )
        return _Tar(fs, root) if _is_tar(fs, root) else _File(fs, root)
    except (ImportError, ValueError, tarfile.TarError) as error:
        raise InputError(f"cannot read {location}: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {location}: {error.strerror or error}") from error


def read_file(location: str) -> bytes:
    """Returns the content of the file at a path or URL.

    Raises:
        InputError: There is none, or it cannot be read.
    """
    try:
        fs, path = cast("tuple[Any, str]", cast("Any", fsspec).url_to_fs(location))
        return fs.cat_file(path)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {location!r}") from error
    except (ImportError, ValueError) as error:
        raise InputError(f"cannot read {location}: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {location}: {error.strerror or error}") from error


class _File(DataSet):
    def __init__(self, fs: Any, path: str) -> None:
        self._fs, self._path = fs, path
        self.names = [PurePosixPath(path).name]

    def read(self, name: str) -> bytes:  # noqa: ARG002 - there is one
        return self._fs.cat_file(self._path)


class _Folder(DataSet):
    def __init__(self, fs: Any, root: str) -> None:
        self._fs, self._root = fs, root
        found = (str(path)[len(root) + 1 :] for path in fs.find(root))
        self.names = sorted(name for name in found if _is_image(name))

    def read(self, name: str) -> bytes:
        return self._fs.cat_file(f"{self._root}/{name}")


class _Tar(DataSet):
    def __init__(self, fs: Any, path: str) -> None:
        self._file = fs.open(path, "rb")
        self._lock = threading.Lock()
        with tarfile.open(fileobj=self._file, mode="r:") as tar:
            self._places = {
                member.name.removeprefix("./"): (member.offset_data, member.size)
                for member in tar
                if member.isfile() and _is_image(member.name)
            }
        self.names = sorted(self._places)

    def read(self, name: str) -> bytes:
        offset, size = self._places[name]
        with self._lock:
            self._file.seek(offset)
            data: bytes = self._file.read(size)
        if len(data) < size:
            raise OSError(f"{name}: the tar ends early")
        return data


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in IMAGE_EXTENSIONS and not path.name.startswith(".")


def _is_tar(fs: Any, path: str) -> bool:
    with fs.open(path, "rb") as file:
        file.seek(257)
        return file.read(5) == b"ustar" or path.endswith(".tar")

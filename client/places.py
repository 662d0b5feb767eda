"""Where input files lie: paths, patterns such as `photos/**/*.jpg`, and URLs that fsspec opens.

What a folder or a pattern gives is named by the path below it, so that the tree can be kept: below `photos`
for `photos/**/*.jpg`, below the bucket for `s3://cars/*/*.png`.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from client.errors import InputError


@dataclass(frozen=True)
class Place:
    """One input file that was found."""

    name: str
    """What the user calls it: a path or a URL."""
    relative: PurePosixPath
    """Its path below what the user named."""
    is_named: bool
    """The user named it, so it is an image, a tar, an archive or an error; a folder may hold other files."""
    open: Callable[[], BinaryIO]
    """Opens it for reading; raises InputError or OSError."""
    path: Path | None = None
    """Where it lies; None for one behind a URL."""


@dataclass(frozen=True)
class Found:
    """What was found for the names that a user gave."""

    places: Sequence[Place]
    """The files."""
    is_many: bool
    """Whether there may be several, even if it is one: a folder or a pattern was named, or several names."""


def find(names: Sequence[str | Path], *, exclude: Path | None = None) -> Found:
    """Finds the files of paths, folders, patterns and URLs; what lies below `exclude` is left out.

    Raises:
        InputError: There is no such file, or a URL cannot be looked at.
    """
    places: list[Place] = []
    is_many = len(names) > 1
    for name in map(str, names):
        if is_url(name):
            found, is_folder = _find_url(name)
        elif Path(name).is_dir():
            found, is_folder = _below(Path(name), exclude), True
        elif Path(name).exists():
            found, is_folder = [_local(Path(name), PurePosixPath(Path(name).name), is_named=True)], False
        elif glob.has_magic(name):
            found, is_folder = list(_matching(name, exclude)), True
            if not found:
                raise InputError(f"no file matches {name!r}")
        else:
            raise InputError(f"there is no file or folder {name!r}")
        places += found
        is_many = is_many or is_folder
    return Found(places, is_many)


def is_url(name: str) -> bool:
    """Tells whether a name is for fsspec, such as `s3://bucket/cars.tar`."""
    return "://" in name


def filesystem(url: str) -> tuple[Any, str]:
    """Returns fsspec's filesystem of a URL and the path on it.

    Raises:
        InputError: No such kind of URL, or the package for it is not installed.
    """
    import fsspec  # pyright: ignore[reportMissingTypeStubs]

    try:
        return cast("Any", fsspec).url_to_fs(url, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise InputError(f"{url} cannot be opened: {error}") from error


def reason(error: Exception) -> str:
    """Returns why something could not be read or written, as the end of a sentence."""
    words = error.strerror if isinstance(error, OSError) else None
    return words or str(error) or type(error).__name__


def _below(folder: Path, exclude: Path | None) -> list[Place]:
    """Returns the files below a folder, those of one sample next to each other, hidden ones left out."""
    found = [(path, PurePosixPath(path.relative_to(folder))) for path in folder.rglob("*") if path.is_file()]
    return [
        _local(path, relative, is_named=False)
        for path, relative in sorted(found, key=lambda entry: _order(entry[1]))
        if not _is_hidden(relative) and not (exclude and exclude != folder and path.is_relative_to(exclude))
    ]


def _matching(pattern: str, exclude: Path | None) -> Iterator[Place]:
    """Yields the files that match a pattern; it names them, so they are images or errors."""
    base = _fixed_part(pattern)
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns
    found = [Path(name) for name in names if Path(name).is_file()]
    for path in sorted(found, key=lambda path: _order(PurePosixPath(path))):
        if not (exclude and path.is_relative_to(exclude)):
            yield _local(path, PurePosixPath(path.relative_to(base)), is_named=True)


def _find_url(url: str) -> tuple[list[Place], bool]:
    fs, root = filesystem(url)
    try:
        if glob.has_magic(root):
            base, is_folder, is_named = _fixed_part(root), True, True
            paths: list[str] = [path for path in fs.glob(root) if fs.isfile(path)]
        elif fs.isfile(root):
            base, is_folder, is_named, paths = str(PurePosixPath(root).parent), False, True, [root]
        elif fs.isdir(root):
            base, is_folder, is_named, paths = root, True, False, fs.find(root)
        else:
            paths = []
            base, is_folder, is_named = root, False, False
    except Exception as error:
        raise InputError(f"{url} cannot be read: {reason(error)}") from error
    if not paths and not is_folder:
        raise InputError(f"there is no file or folder {url!r}")
    if not paths and glob.has_magic(root):
        raise InputError(f"no file matches {url!r}")
    places = [
        Place(fs.unstrip_protocol(path), relative, is_named, _url_opener(fs, path))
        for path in paths
        for relative in [PurePosixPath(PurePosixPath(path).relative_to(PurePosixPath(base)))]
        # A bucket may hold an object with the name of the folder itself, which s3fs lists in it.
        if relative.name and (is_named or not _is_hidden(relative))
    ]
    return sorted(places, key=lambda place: _order(place.relative)), is_folder


def _local(path: Path, relative: PurePosixPath, *, is_named: bool) -> Place:
    return Place(str(path), relative, is_named, lambda: path.open("rb"), path)


def _url_opener(fs: Any, path: str) -> Callable[[], BinaryIO]:
    def opened() -> BinaryIO:
        try:
            return fs.open(path, "rb")
        except Exception as error:
            raise InputError(reason(error)) from error

    return opened


def _fixed_part(pattern: str) -> str:
    """Returns the folders of a pattern before the first that has a wildcard: "" when there are none."""
    parts = PurePosixPath(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return str(PurePosixPath(*parts[:fixed])) if fixed else ""


def _order(path: PurePosixPath) -> tuple[PurePosixPath, str, str]:
    return path.parent, path.stem, path.suffix


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") for part in path.parts)

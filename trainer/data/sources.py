"""Finds what kind of raw data lies at a location and reads it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from trainer.data import stanford_cars
from trainer.data.errors import SourceError
from trainer.data.location import Folder, folder_at, is_url
from trainer.data.options import DataOptions
from trainer.data.raw import RawImage, Source
from trainer.data.splits import class_of
from trainer.data.tars import read_tars


def read_source(location: str | Path, options: DataOptions) -> Source:
    """Returns the raw images at a location.

    Accepted are Stanford Cars as published, a folder of `class/*.jpg` at any depth, a tar file of such a
    folder (compressed or not), and WebDataset shards; each as a path or as a URL. Braces stand for several
    tar files: `shard-{000..007}.tar`.

    Args:
        location: path or URL.
        options: which files to read.

    Raises:
        SourceError: nothing usable is there.
    """
    location = str(location)
    locations = _expand_braces(location)
    folder = folder_at(locations[0]) if len(locations) == 1 else None
    if folder is None:
        for tar in locations:
            _check_tar(tar)
        return Source("tar", read_tars(locations, options.takes))
    names = folder.names()
    layout = stanford_cars.find(names)
    if layout:
        return Source(
            "stanford-cars", stanford_cars.read(folder, layout, takes=options.takes, crop=options.crop)
        )
    return Source("folder", _read_folder(folder, [name for name in names if options.takes(name)]))


def source_name(location: str | Path) -> str:
    """Returns a short name for the data at a location: its file's or folder's, without endings."""
    name = PurePosixPath(str(location).rstrip("/")).name or "data"
    for ending in (".gz", ".bz2", ".xz", ".tgz", ".tar"):
        name = name.removesuffix(ending)
    return name


def _expand_braces(location: str) -> list[str]:
    if "{" not in location or (not is_url(location) and Path(location).exists()):
        return [location]
    import braceexpand

    try:
        return list(braceexpand.braceexpand(location))
    except ValueError as error:
        raise SourceError(
            f"{location!r} has braces that do not pair; accepted: shard-{{000..007}}.tar"
        ) from error


def _check_tar(location: str) -> None:
    """Refuses a local file that is no tar, before other shards are read for nothing."""
    if is_url(location):
        return
    if not Path(location).exists():
        raise SourceError(f"{location} does not exist")
    if not Path(location).is_file() or not tarfile.is_tarfile(location):
        raise SourceError(f"{location} is not a tar file; accepted: a tar file or a folder of images")


def _read_folder(folder: Folder, names: list[str]) -> Iterator[RawImage]:
    for name, data in folder.read(names):
        yield RawImage(name, data, class_of(name))

"""Tar files of images: plain ones, and WebDataset shards.

A shard is a tar in which the files of one sample follow each other and share their name up to the ending:
`0001.jpg` with `0001.cls` (a number or a name) or `0001.json` (an object with `label`, `class` or `cls`).
Without these the class is the folder's name. Files are read as a stream, so that a tar need not be local.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

from trainer.data.errors import SourceError
from trainer.data.location import open_file
from trainer.data.raw import RawImage
from trainer.data.splits import class_of

LABEL_KEYS = ("label", "class", "cls")
"""Keys of a shard's JSON that can hold the class."""
_BESIDE_AN_IMAGE = {".cls", ".json", ".txt"}


def read_tars(locations: list[str], takes: Callable[[str], bool]) -> Iterator[RawImage]:
    """Yields the files of one tar, or of the shards of one set, in the order of the archive.

    With several shards, the name of each file starts with its shard's.

    Args:
        locations: paths or URLs of the tars.
        takes: says whether the file at a path is wanted.

    Raises:
        SourceError: a tar cannot be reached, is none, is damaged or cut off.
    """
    for location in locations:
        prefix = f"{PurePosixPath(location).name.removesuffix('.tar')}/" if len(locations) > 1 else ""
        for sample in _samples(_members(location)):
            yield from _images(sample, location, prefix, takes)


class _Member(tarfile.TarInfo):
    """A header that must be sound: tarfile takes a broken one, or none, for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> _Member:
        """Returns the next header; anything but a header or the mark of the end is an error."""
        try:
            member = super().fromtarfile(tarfile)
        except _END_OR_ERROR:
            raise
        except HeaderError as error:
            raise ReadError(f"{error} where a file or the end of the archive should be") from error
        if member.type not in SUPPORTED_TYPES or member.issparse() or member.size < 0:
            raise ReadError(
                f"{member.name or 'a file without a name'} is of type {member.type.decode('latin-1')!r} and "
                f"{member.size} bytes, which is no plain file, folder or link"
            )
        return member

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        """Returns a header; tarfile would read into memory whatever one of these kinds announces."""
        header = super().frombuf(buf, encoding, errors)
        if header.type in _DESCRIPTIONS and not 0 <= header.size <= _LONGEST_DESCRIPTION_BYTES:
            raise ReadError(f"a name or description of {header.size} bytes")
        return header


HeaderError, ReadError, SUPPORTED_TYPES = tarfile.HeaderError, tarfile.ReadError, tarfile.SUPPORTED_TYPES
_END_OR_ERROR = (tarfile.EOFHeaderError, tarfile.SubsequentHeaderError)  # pyright: ignore[reportAttributeAccessIssue]
# As client/tarstream.py has them, which the trainer may not import.
_DESCRIPTIONS = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}
_LONGEST_DESCRIPTION_BYTES = 1 << 20


def _members(location: str) -> Iterator[tuple[str, bytes]]:
    """Yields name and content of every file of a tar."""
    count, last = 0, ""
    with open_file(location) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r|*", tarinfo=_Member) as tar:
                for member in tar:
                    tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue] - otherwise all are kept
                    if file := tar.extractfile(member) if member.isfile() else None:
                        last = member.name.removeprefix("./")
                        if not PurePosixPath(last).name:
                            raise ReadError("a file without a name")
                        yield last, file.read()
                        count += 1
        except MemoryError:
            raise
        except Exception as error:
            # tarfile ends in many ways on broken headers: TarError, ValueError, TypeError, zlib.error ...
            if count == 0 and not last:
                raise SourceError(f"{location} is not a readable tar file: {error}") from error
            raise SourceError(
                f"{location} is damaged or cut off after {count} files, near {last}: {error}; get it anew, "
                "or unpack what is whole and give that folder"
            ) from error


def _samples(members: Iterable[tuple[str, bytes]]) -> Iterator[dict[str, bytes]]:
    """Yields files that follow each other and differ in their ending only."""
    sample: dict[str, bytes] = {}
    stem = None
    for name, data in members:
        if (own_stem := PurePosixPath(name).with_suffix("")) != stem and sample:
            yield sample
            sample = {}
        stem = own_stem
        sample[name] = data
    if sample:
        yield sample


def _images(
    sample: dict[str, bytes], location: str, prefix: str, takes: Callable[[str], bool]
) -> Iterator[RawImage]:
    beside = {name for name in sample if PurePosixPath(name).suffix.lower() in _BESIDE_AN_IMAGE}
    images = sample.keys() - beside or beside
    label = _label_beside({name: sample[name] for name in beside - images}, location)
    for name in filter(takes, sorted(images)):
        yield RawImage(prefix + name, sample[name], label or class_of(name))


def _label_beside(files: dict[str, bytes], location: str) -> str | None:
    """Returns the class that a sample's `.cls` or `.json` tells."""
    for name, data in sorted(files.items()):
        suffix = PurePosixPath(name).suffix.lower()
        try:
            if suffix == ".cls":
                return data.decode().strip()
            if suffix == ".json" and (label := _label_in(json.loads(data))) is not None:
                return label
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{name} in {location} is not readable: {error}") from error
    return None


def _label_in(record: object) -> str | None:
    if not isinstance(record, dict):
        return None
    return next((str(record[key]) for key in LABEL_KEYS if record.get(key) is not None), None)

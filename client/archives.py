"""Archives of images, as the commands read and write them (docs/codecs/archive.md).

A member's key is the path of its file. Files that belong to an image, such as its .json, are members too.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from client.errors import InputError
from client.places import find
from client.samples import Sample
from services.compressor.codecs import CodecError, codec_class
from services.compressor.codecs.archive import ArchiveReader, ArchiveWriter, Member

COMPANION = "file"
"""What the archive holds in place of a codec for a file that is no image."""


class Collector:
    """Adds images to an archive, each under a name of its own."""

    def __init__(self, writer: ArchiveWriter, taken: Callable[[str], bool] | None = None) -> None:
        """Takes the archive and what tells that a name is in it already."""
        self._writer = writer
        self._taken = taken
        self._added: set[str] = set()

    def add(self, sample: Sample) -> tuple[str, int]:
        """Adds an image and the files that belong to it; returns its name and the number of bytes.

        Raises:
            InputError: It is no image that GanPress reads, or its name is taken or too long.
        """
        name = sample.file_name or sample.name
        if name in self._added:  # two inputs have a file of this name: keys are always different
            name = sample.key + PurePosixPath(name).suffix
        stem = PurePosixPath(name).with_suffix("")
        files = [(f"{stem}{extension}", data) for extension, data in sample.companions.items()]
        for file_name in (name, *(name for name, _ in files)):
            if self._taken and self._taken(file_name):
                raise InputError(f"the archive has {file_name!r} already: --force puts this in its place")
        try:
            self._writer.add(name, sample.image)
            self._added.add(name)
            for file_name, data in files:
                if file_name not in self._added:
                    self._writer.add(file_name, data, COMPANION)
                    self._added.add(file_name)
        except CodecError as error:
            raise InputError(str(error)) from error
        return name, len(sample.image) + sum(len(data) for _, data in files)


@contextmanager
def open_archive(name: str) -> Generator[tuple[ArchiveReader, int]]:
    """Opens an archive in a file, behind a URL or on stdin ("-"); yields it and its number of bytes.

    Raises:
        InputError: There is none, or it is no archive.
    """
    if name == "-":
        file: BinaryIO = io.BytesIO(sys.stdin.buffer.read())
    else:
        places = find([name]).places
        if len(places) != 1 or not places[0].is_named:
            raise InputError(f"{name!r} is no archive: name one file")
        file = places[0].open()
    with file:
        try:
            yield ArchiveReader(file), file.seek(0, os.SEEK_END)
        except CodecError as error:
            raise InputError(f"{name}: {error}") from error


@contextmanager
def append_to(path: Path) -> Generator[tuple[ArchiveWriter, ArchiveReader]]:
    """Opens an archive to add members, and to see what is in it.

    Raises:
        InputError: There is none, it is no archive, or another program writes to it.
    """
    try:
        with ArchiveWriter.append(path) as writer, ArchiveReader.open(path) as reader:
            yield writer, reader
    except FileNotFoundError:
        raise InputError(f"there is no archive {str(path)!r}: `client archive create` makes one") from None
    except CodecError as error:
        raise InputError(f"{path}: {error}") from error


def members(file: BinaryIO) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yields the names of the files in an archive, and what reads each, as `list_members` lists them.

    Raises:
        InputError: It is no archive, or some of its members are damaged; reading one that is raises it, too.
    """
    try:
        reader = ArchiveReader(file)
        keys, damaged = list_members(reader)
        for key in keys:
            member = partial(read_member, reader, key)
            yield file_name(member, key), lambda member=member: member().data
    except CodecError as error:
        raise InputError(str(error)) from error
    if damaged:
        raise InputError(damage(damaged))


def list_members(reader: ArchiveReader) -> tuple[list[str], int]:
    """Returns the keys in the order of the archive, each once, and how many members are damaged."""
    keys = list(reader.keys())
    latest = {key: place for place, key in enumerate(keys)}
    return sorted(latest, key=latest.__getitem__), len(reader) - len(keys)


def damage(count: int) -> str:
    """Returns the sentence on damaged members."""
    return f"{count} of its members {'is' if count == 1 else 'are'} damaged and cannot be read"


def damaged_places(reader: ArchiveReader) -> Iterator[str]:
    """Yields a sentence on each part of an archive that is damaged; reads it through."""
    for start, end, after in reader.damage():
        where = f"behind {after!r}" if after else "before all sound members"
        yield f"bytes {start:,} to {end - 1:,} are damaged, {where}"


def read_member(reader: ArchiveReader, key: str) -> Member:
    """Returns a member.

    Raises:
        InputError: There is none of this key, or it is damaged.
    """
    try:
        return reader.read(key)
    except CodecError as error:
        raise InputError(str(error)) from error


def file_name(member: Callable[[], Member], key: str) -> str:
    """Returns the key; one without an extension gets that of the codec whose file it is."""
    if PurePosixPath(key).suffix:
        return key
    try:
        return key + codec_class(member().codec).file_extension
    except (CodecError, InputError):
        return key

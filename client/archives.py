"""Archives of images, as the commands read and write them (docs/codecs/archive.md).

A member's key is the path of its file. Files that belong to an image, such as its .json, are members too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO

from client.errors import InputError
from client.samples import Sample
from services.compressor.codecs import CodecError, codec_class
from services.compressor.codecs.archive import ArchiveReader, ArchiveWriter, Member

COMPANION = "file"
"""What the archive holds in place of a codec for a file that is no image."""


def members(file: BinaryIO) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yields the names of the files in an archive, and what reads each, as `list_members` lists them.

    Raises:
        InputError: It is no archive, or some of its members are damaged; reading one that is raises it, too.
    """
    try:
        reader = ArchiveReader(file)
        keys, damaged = list_members(reader)
        for key in keys:
            member = partial(_read, reader, key)
            yield _file_name(member, key), lambda member=member: member().data
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
    return f"{count} of its members are damaged and cannot be read"


def add_sample(writer: ArchiveWriter, sample: Sample) -> int:
    """Adds an image and the files that belong to it; returns the number of bytes.

    Raises:
        InputError: It is no image that GanPress reads, or its name is too long.
    """
    name = sample.file_name or sample.name
    try:
        writer.add(name, sample.image)
        for extension, data in sample.companions.items():
            writer.add(f"{sample.key}{extension}", data, COMPANION)
    except CodecError as error:
        raise InputError(str(error)) from error
    return len(sample.image) + sum(map(len, sample.companions.values()))


def _read(reader: ArchiveReader, key: str) -> Member:
    try:
        return reader.read(key)
    except CodecError as error:
        raise InputError(str(error)) from error


def _file_name(member: Callable[[], Member], key: str) -> str:
    """Returns the key; one without an extension gets that of the codec whose file it is."""
    if PurePosixPath(key).suffix:
        return key
    try:
        return key + codec_class(member().codec).file_extension
    except (CodecError, InputError):
        return key

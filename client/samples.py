"""Images from files, folders, patterns, URLs, tars, archives and stdin, one at a time.

Files that differ only in their extension belong together, as in WebDataset: `car.png` and `car.json`
are one sample with the key `car`. Of a name with several dots the last one counts, so `my.car.jpg` has
the key `my.car`. A tar is read as it comes and never held whole; the members of an archive are read one by
one, the last of those with one name.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Self

from client.api import MAX_IMAGE_BYTES
from client.errors import InputError
from client.places import Place, find, reason
from client.tarstream import BrokenTarError, PeekedFile, TarReader, is_tar

IMAGE_EXTENSIONS = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".mpo", ".webp", ".avif", ".heic", ".heif", ".jxl", ".jp2", ".j2k",
     ".tif", ".tiff", ".tga", ".gif", ".bmp", ".gpc"}
)  # fmt: skip
"""Files with these extensions are taken for images, whatever they hold."""

_MAGIC = (
    b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51",
    b"\xff\x0a", b"\0\0\0\x0cJXL ",
)  # fmt: skip
_OURS = b"\x89G"
_ARCHIVE_MAGIC = b"\x89GPA"
_LEADS_OUT = "its name leads out of the folder"
_TOO_LARGE = f"the file has more than the {MAX_IMAGE_BYTES / 2**20:.1f} MB that can be sent"


@dataclass(frozen=True)
class Sample:
    """One image with the files that belong to it."""

    key: str
    """Path without extension, with `/`; no two samples of one input have the same."""
    name: str
    """What the user calls it: a path or a member's name."""
    image: bytes
    """The image file."""
    companions: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Other files of the sample by extension, such as ".json"."""
    path: Path | None = None
    """Where it lies; None for a member of a tar, behind a URL, and for stdin."""
    file_name: str = ""
    """Path as it was, with `/` and its extension; empty for a lone image on stdin."""


@dataclass(frozen=True)
class Rejected:
    """Something that was to be an image and cannot be read."""

    name: str
    """What the user calls it."""
    reason: str
    """Why, as the end of a sentence."""


@dataclass(frozen=True)
class _File:
    name: str
    key: str
    extension: str
    data: bytes
    path: Path | None = None
    is_image: bool = False
    file_name: str = ""


def is_archive(head: bytes) -> bool:
    """Tells from its first bytes whether a file is an archive of images."""
    return head.startswith(_ARCHIVE_MAGIC)


def is_image(extension: str, head: bytes) -> bool:
    """Tells whether a file is meant to be an image, by its extension or its first bytes."""
    return (
        extension in IMAGE_EXTENSIONS
        or head.startswith(_MAGIC)
        or (head[:2] == b"BM" and head[6:10] == b"\0\0\0\0")
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:11] in (b"avi", b"hei", b"mif"))
        or (head.startswith(_OURS) and not is_archive(head))
    )


class Source:
    """The images of one command's input.

    `is_stream` says that many images may come (a tar, a folder, several files), even if it will be one.
    `skipped` counts the files that were no images, as far as the input was read.
    """

    def __init__(self, is_stream: bool, total: int | None, items: Iterable[_File | Rejected]) -> None:
        self.is_stream = is_stream
        self.total = total
        self.skipped = 0
        self._items = items

    @classmethod
    def of_paths(cls, names: Sequence[str | Path], *, exclude: Path | None = None) -> Self:
        """Opens files, folders, patterns, URLs, tars and archives; what lies below `exclude` is left out.

        Raises:
            InputError: There is no such file, or none that matches.
            OSError: It cannot be read.
        """
        if len(names) == 1 and (path := Path(names[0])).exists() and not (path.is_file() or path.is_dir()):
            return cls.of_stream(path.open("rb"), str(path))  # a pipe can be read only once
        found = find(names, exclude=exclude)
        has_collection = any(_is_collection(place) for place in found.places if place.is_named)
        total = None if has_collection else len(found.places)
        return cls(found.is_many or has_collection, total, _read_files(found.places))

    @classmethod
    def of_stream(cls, file: BinaryIO, name: str = "stdin") -> Self:
        """Opens a stream: an image file, a tar or an archive, told by its first bytes.

        Raises:
            InputError: It is empty.
        """
        peeked = PeekedFile(file)
        if not peeked.head:
            raise InputError(f"{name} is empty: the command before the pipe wrote nothing")
        if is_tar(peeked.head):
            return cls(True, None, _read_tar(peeked, name))
        if is_archive(peeked.head):  # which is read by place, and a pipe cannot go back
            return cls(True, None, _read_archive(io.BytesIO(peeked.read_all()), name))
        return cls(False, 1, _read_image(peeked, name))

    def __iter__(self) -> Iterator[Sample | Rejected]:
        """Yields the images in their order, and what should have been one."""
        taken: set[str] = set()
        for group in _groups(self._items):
            if isinstance(group, Rejected):
                yield group
                continue
            images = [file for file in group if file.is_image]
            companions = {file.extension: file.data for file in group if not file.is_image}
            if not images:
                self.skipped += len(group)
            for file in images:
                key = _free_key(file, taken)
                taken.add(key)
                yield Sample(key, file.name, file.data, companions, file.path, file.file_name)


def _groups(items: Iterable[_File | Rejected]) -> Iterator[list[_File] | Rejected]:
    """Yields runs of files with one key, which is how a sample lies in a tar."""
    group: list[_File] = []
    for item in items:
        if group and (isinstance(item, Rejected) or group[0].key != item.key):
            yield group
            group = []
        if isinstance(item, Rejected):
            yield item
        else:
            group.append(item)
    if group:
        yield group


def _free_key(file: _File, taken: set[str]) -> str:
    """Returns the file's key; for `a.jpg` beside `a.png`, whose results would share a name, `a.jpg`."""
    key, number = file.key, 1
    while key in taken:
        key = f"{file.key}{file.extension}" + (f".{number}" if number > 1 else "")
        number += 1
    return key


def _read_files(places: Iterable[Place]) -> Iterator[_File | Rejected]:
    for place in places:
        try:
            with place.open() as opened:
                peeked = PeekedFile(opened)
                if place.is_named and is_tar(peeked.head):
                    yield from _read_tar(peeked, place.name)
                    continue
                if place.is_named and is_archive(peeked.head):
                    yield from _read_archive(opened, place.name)
                    continue
                data = peeked.read(MAX_IMAGE_BYTES + 1)
        except (OSError, InputError) as error:
            yield Rejected(place.name, reason(error))
            continue
        key, extension = _split(place.relative)
        meant = extension != ".json" if place.is_named else is_image(extension, data[:16])
        yield _checked(_File(place.name, key, extension, data, place.path, meant, str(place.relative)))


def _read_image(peeked: PeekedFile, name: str) -> Iterator[_File | Rejected]:
    yield _checked(_File(name, name, "", peeked.read(MAX_IMAGE_BYTES + 1), None, True))


def _read_tar(peeked: PeekedFile, name: str) -> Iterator[_File | Rejected]:
    """Yields the members of a tar as they come; a tar that breaks off ends with a rejection."""
    tar = TarReader(peeked)
    try:
        for member in tar:
            relative = PurePosixPath(member.name.lstrip("/"))
            if not relative.name.startswith("."):
                yield _read_member(tar, member, relative)
    except BrokenTarError as error:
        yield Rejected(name, str(error))


def _read_member(tar: TarReader, member: tarfile.TarInfo, relative: PurePosixPath) -> _File | Rejected:
    if ".." in relative.parts:
        return Rejected(member.name, _LEADS_OUT)
    if member.issym() or member.islnk():
        return Rejected(member.name, "it is a link, not a file: pack with tar -h --hard-dereference")
    if not member.isfile():
        return Rejected(member.name, "it is no regular file")
    if member.size > MAX_IMAGE_BYTES:
        return Rejected(member.name, _TOO_LARGE)
    return _member(member.name, relative, tar.read(member))


def _read_archive(file: BinaryIO, name: str) -> Iterator[_File | Rejected]:
    """Yields the members of an archive; damaged ones are rejections."""
    from client.archives import members  # loads the codecs, which others leave to a service

    try:
        for key, read in members(file):
            relative = PurePosixPath(key.lstrip("/"))
            if ".." in relative.parts:
                yield Rejected(key, _LEADS_OUT)
                continue
            try:
                yield _member(key, relative, read())
            except InputError as error:
                yield Rejected(key, str(error))
    except InputError as error:
        yield Rejected(name, str(error))


def _member(name: str, relative: PurePosixPath, data: bytes) -> _File | Rejected:
    if not relative.name:
        return Rejected(name, "a file needs a name")
    key, extension = _split(relative)
    return _checked(_File(name, key, extension, data, None, is_image(extension, data[:16]), str(relative)))


def _checked(file: _File) -> _File | Rejected:
    if len(file.data) > MAX_IMAGE_BYTES:
        return Rejected(file.name, _TOO_LARGE)
    if file.is_image and not file.data:
        return Rejected(file.name, "the file is empty")
    return file


def _is_collection(place: Place) -> bool:
    """Tells whether a file is a tar or an archive; one that cannot be opened is told of when it is read."""
    try:
        with place.open() as file:
            head = file.read(512)
    except (OSError, InputError):
        return False
    return is_tar(head) or is_archive(head)


def _split(path: PurePosixPath) -> tuple[str, str]:
    """Returns key and extension: `a/my.car.JPG` is `a/my.car` and `.jpg`."""
    return str(path.with_name(path.stem)), path.suffix.lower()

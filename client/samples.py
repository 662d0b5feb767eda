"""Images from files, folders, tar streams and stdin, one at a time.

Files that differ only in their extension belong together, as in WebDataset: `car.png` and `car.json`
are one sample with the key `car`. Of a name with several dots the last one counts, so `my.car.jpg` has
the key `my.car`. A tar is read as it comes and never held whole.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Self

from client.api import MAX_IMAGE_BYTES
from client.errors import InputError
from client.tarstream import BrokenTarError, PeekedFile, TarReader, is_tar

IMAGE_EXTENSIONS = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".avif", ".jp2", ".j2k",
     ".tif", ".tiff", ".tga", ".gif", ".bmp", ".gpc"}
)  # fmt: skip
"""Files with these extensions are taken for images, whatever they hold."""

_MAGIC = (
    b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*",
    b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"\x89G\x81", b"\x89G\x91", b"\x89G\xa1",
    b"\x89G\x84", b"\x89G\x94", b"\x89G\xa4",
)  # fmt: skip
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
    """Where it lies; None for a member of a tar and for stdin."""


@dataclass(frozen=True)
class Rejected:
    """Something that was to be an image and cannot be read."""

    name: str
    """What the user calls it."""
    reason: str
    """Why, as the end of a sentence."""


@dataclass(frozen=True)
class _Entry:
    path: Path
    relative: PurePosixPath
    is_named: bool
    """The user named it, so it is an image or a tar or an error; in a folder there may be other files."""


@dataclass(frozen=True)
class _File:
    name: str
    key: str
    extension: str
    data: bytes
    path: Path | None = None
    is_image: bool = False


def is_image(extension: str, head: bytes) -> bool:
    """Tells whether a file is meant to be an image, by its extension or its first bytes."""
    return (
        extension in IMAGE_EXTENSIONS
        or head.startswith(_MAGIC)
        or (head[:2] == b"BM" and head[6:10] == b"\0\0\0\0")
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:11] == b"avi")
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
    def of_paths(cls, paths: Sequence[Path], *, exclude: Path | None = None) -> Self:
        """Opens files, folders and tars; what lies below the folder `exclude` is left out.

        Raises:
            InputError: A path does not exist.
            OSError: It cannot be read.
        """
        if len(paths) == 1 and paths[0].exists() and not (paths[0].is_file() or paths[0].is_dir()):
            return cls.of_stream(paths[0].open("rb"), str(paths[0]))  # a pipe can be read only once
        entries: list[_Entry] = []
        is_stream, has_tar = len(paths) > 1, False
        for path in paths:
            if path.is_dir():
                is_stream = True
                found = _walk(path, exclude)
                entries += [_Entry(p, PurePosixPath(p.relative_to(path)), is_named=False) for p in found]
            elif path.exists():
                has_tar = has_tar or _is_tar_file(path)
                entries.append(_Entry(path, PurePosixPath(path.name), is_named=True))
            else:
                raise InputError(f"there is no file or folder {str(path)!r}")
        return cls(is_stream or has_tar, None if has_tar else len(entries), _read_files(entries))

    @classmethod
    def of_stream(cls, file: BinaryIO, name: str = "stdin") -> Self:
        """Opens a stream: an image file or a tar, told by its first bytes.

        Raises:
            InputError: It is empty.
        """
        peeked = PeekedFile(file)
        if not peeked.head:
            raise InputError(f"{name} is empty: the command before the pipe wrote nothing")
        if is_tar(peeked.head):
            return cls(True, None, _read_tar(peeked, name))
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
                yield Sample(key, file.name, file.data, companions, file.path)


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


def _read_files(entries: Iterable[_Entry]) -> Iterator[_File | Rejected]:
    for entry in entries:
        name = str(entry.path)
        try:
            with entry.path.open("rb") as opened:
                peeked = PeekedFile(opened)
                if entry.is_named and is_tar(peeked.head):
                    yield from _read_tar(peeked, name)
                    continue
                data = peeked.read(MAX_IMAGE_BYTES + 1)
        except OSError as error:
            yield Rejected(name, error.strerror or str(error))
            continue
        key, extension = _split(entry.relative)
        meant = extension != ".json" if entry.is_named else is_image(extension, data[:16])
        yield _checked(_File(name, key, extension, data, entry.path, meant))


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
        return Rejected(member.name, "its name leads out of the folder")
    if member.issym() or member.islnk():
        return Rejected(member.name, "it is a link, not a file: pack with tar -h --hard-dereference")
    if not member.isfile():
        return Rejected(member.name, "it is no regular file")
    if member.size > MAX_IMAGE_BYTES:
        return Rejected(member.name, _TOO_LARGE)
    key, extension = _split(relative)
    data = tar.read(member)
    return _checked(_File(member.name, key, extension, data, None, is_image(extension, data[:16])))


def _checked(file: _File) -> _File | Rejected:
    if len(file.data) > MAX_IMAGE_BYTES:
        return Rejected(file.name, _TOO_LARGE)
    if file.is_image and not file.data:
        return Rejected(file.name, "the file is empty")
    return file


def _is_tar_file(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return is_tar(file.read(512))
    except OSError:
        return False


def _walk(folder: Path, exclude: Path | None) -> list[Path]:
    """Returns the files below a folder, those of one sample next to each other, hidden ones left out."""
    found = [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not (exclude and exclude != folder and path.is_relative_to(exclude))
    ]
    return sorted(found, key=lambda path: (path.parent, path.stem, path.suffix))


def _split(path: PurePosixPath) -> tuple[str, str]:
    """Returns key and extension: `a/my.car.JPG` is `a/my.car` and `.jpg`."""
    return str(path.with_name(path.stem)), path.suffix.lower()

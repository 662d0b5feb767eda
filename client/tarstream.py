"""Tar streams of any length, read and written without holding them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Self, cast

_COMPRESSIONS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
_DESCRIPTIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
"""Headers that tell of the next one, such as a long name; tarfile reads them whole."""
_LONGEST_DESCRIPTION_BYTES = 1 << 20


class BrokenTarError(Exception):
    """The tar is damaged or breaks off; the message says where."""


class PeekedFile:
    """A binary stream whose first bytes can be looked at before they are read."""

    def __init__(self, file: BinaryIO, head_bytes: int = 512) -> None:
        self._file = file
        self.head = self._rest = _read_fully(file, head_bytes)

    def read(self, size: int) -> bytes:
        """Returns `size` bytes, fewer only at the end."""
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken + _read_fully(self._file, size - len(taken))

    def read_all(self) -> bytes:
        """Returns what is left of the stream."""
        taken, self._rest = self._rest, b""
        return taken + self._file.read()


def is_tar(head: bytes) -> bool:
    """Tells from its first 512 bytes whether a file is a tar, plain or compressed."""
    if head.startswith(_COMPRESSIONS):
        return True
    if len(head) == tarfile.BLOCKSIZE and not any(head):
        return True  # an empty tar
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


class TarReader:
    """The members of a tar, in their order; folders are left out."""

    def __init__(self, file: PeekedFile) -> None:
        self._file = cast("BinaryIO", file)  # tarfile only reads
        self._tar: tarfile.TarFile | None = None

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        """Yields the headers; `read` gives the data until the next is taken.

        Raises:
            BrokenTarError: The tar is damaged or has no end mark.
        """
        last = ""
        try:
            with tarfile.open(fileobj=self._file, mode="r|*", tarinfo=_StrictTarInfo) as self._tar:
                while member := self._tar.next():
                    _forget_members(self._tar)
                    if member.size < 0:
                        raise tarfile.ReadError(f"it has a file of {member.size} bytes")
                    last = f", at or after {_printable(member.name)}"
                    if not member.isdir():
                        yield member
                    _skip_to_next(self._tar)
        except MemoryError:
            raise
        except Exception as error:
            # tarfile ends in many ways on broken headers: TarError, ValueError, TypeError, zlib.error ...
            raise BrokenTarError(f"the tar is broken or incomplete{last}: {_reason(error)}") from error

    def read(self, member: tarfile.TarInfo) -> bytes:
        """Returns a regular member's data.

        Raises:
            BrokenTarError: The tar breaks off within it.
        """
        try:
            opened = self._tar and self._tar.extractfile(member)
            return opened.read() if opened else b""
        except MemoryError:
            raise
        except Exception as error:
            name = _printable(member.name)
            raise BrokenTarError(f"the tar is broken or incomplete, at {name}: {_reason(error)}") from error


class TarWriter:
    """Writes a tar that is the same for the same files: no times, no owners."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add(self, name: str, data: bytes) -> None:
        """Writes a file."""
        member = tarfile.TarInfo(name)  # mode 0644, and zero for time and owners
        member.size = len(data)
        self._tar.addfile(member, io.BytesIO(data))
        _forget_members(self._tar)


@contextmanager
def write_tar(file: BinaryIO) -> Generator[TarWriter]:
    """Opens a tar for writing; it gets its end mark only when the block ends well."""
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        yield TarWriter(tar)


class _StrictTarInfo(tarfile.TarInfo):
    """Headers of a tar whose end must be marked: tarfile takes a damaged header for the end of the tar."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise  # a block of zeros is the end mark
            raise tarfile.ReadError(str(error) if buf else "it ends without its end mark") from error
        if header.type in _DESCRIPTIONS and not 0 <= header.size <= _LONGEST_DESCRIPTION_BYTES:
            raise tarfile.ReadError(
                f"it has a name or description of {header.size} bytes, {_LONGEST_DESCRIPTION_BYTES} are read"
            )
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("it has a sparse file: pack without --sparse")
        return header


def _skip_to_next(tar: tarfile.TarFile) -> None:
    """Reads what is left of a member; behind the end of the file tarfile itself would go on for years."""
    stream, end = cast("Any", tar).fileobj, tar.offset
    while (left := end - stream.tell()) > 0:
        if not stream.read(min(left, 1 << 20)):
            raise tarfile.ReadError("unexpected end of data")


def _forget_members(tar: tarfile.TarFile) -> None:
    """Drops the headers seen so far, which tarfile keeps and a stream has no use for."""
    cast("Any", tar).members.clear()


def _printable(name: str) -> str:
    """Returns a name with what is no text, or would control a terminal, escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in name)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _read_fully(file: BinaryIO, size: int) -> bytes:
    """Returns `size` bytes, fewer only at the end: a pipe gives what it has."""
    buffer = io.BytesIO()
    while (missing := size - buffer.tell()) and (chunk := file.read(min(missing, 2**20))):
        buffer.write(chunk)
    return buffer.getvalue()

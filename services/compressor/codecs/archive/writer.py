"""Writing an archive, from the start to the end or on from where it ends."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from services.compressor.codecs.archive import records
from services.compressor.codecs.archive.reader import ArchiveReader
from services.compressor.codecs.base import Codec, Pixels
from services.compressor.codecs.errors import CodecError
from services.compressor.codecs.files import identify

_SEGMENT_MEMBERS = 4096
"""Members of an index; its table, and shared records of its own, begin anew with each."""
_MOST_SHARED = 64
_WORTH_SHARING_BYTES = 8
_CODEC_NAME = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)


class ArchiveWriter:
    """Writes members to a file or a pipe, each at once: a reader sees it as soon as it is written.

    What is held does not grow with the number of members. Close it, or use it as a context, so that the
    archive ends with an index; without one it is whole all the same, but slower to open. One archive has
    one writer at a time.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Begins an archive at the place of `file`, which needs no seeking and is not closed here."""
        self._file = file
        self._owned: BinaryIO | None = None
        self._offset = self._last_index = 0
        self.member_count = 0
        """Members written by this writer."""
        self._write(records.HEADER)
        self._begin_segment()

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Self:
        """Begins an archive in a new file.

        Raises:
            FileExistsError: There is a file of this name.
        """
        file = Path(path).open("xb", buffering=0)  # noqa: SIM115 - closed by `close`
        _lock(file, path)
        writer = cls(file)
        writer._owned = file
        return writer

    @classmethod
    def append(cls, path: str | os.PathLike[str]) -> Self:
        """Goes on with an archive; what a crash left half written at its end is cut off first.

        Raises:
            CodecError: Another program writes to it.
            CorruptDataError: The file is no archive.
        """
        file = Path(path).open("r+b", buffering=0)  # noqa: SIM115 - closed by `close`
        try:
            _lock(file, path)
            reader = ArchiveReader(file)
            file.truncate(reader.end)
            file.seek(reader.end)
        except BaseException:
            file.close()
            raise
        writer = cls.__new__(cls)
        writer._file = writer._owned = file
        writer._offset, writer._last_index, writer.member_count = reader.end, reader.last_index, 0
        writer._begin_segment()
        writer._start, writer._tail = reader.tail_start, reader.tail
        return writer

    def add(self, key: str, data: bytes, codec: str | None = None) -> None:
        """Adds an image file.

        Args:
            key: Its name; a later member of the same key takes the place of an earlier one.
            data: The file.
            codec: Id of the codec that wrote it; found out from the file unless given.

        Raises:
            CodecError: The key is empty or too long, or the codec's name is none.
            CorruptDataError: No codec is given and the data is no image file.
        """
        name = _encoded_key(key)
        codec = identify(data) if codec is None else codec
        if not _CODEC_NAME.fullmatch(codec):
            raise CodecError(f"a codec's name has 1 to 64 characters of a-z, 0-9 and _, not {codec!r}")
        span_bytes = self._offset - self._start + len(data) + records.LONGEST_PREFIX_BYTES
        if len(self._tail) >= _SEGMENT_MEMBERS or span_bytes > records.LARGEST_SPAN_BYTES:
            self.flush()
        shared, prefix_bytes = self._shared_prefix(codec, data)
        offset = self._offset
        body = records.pack_member(offset - shared, prefix_bytes, name, data[prefix_bytes:])
        self._write(records.pack_record(records.MEMBER, body, offset))
        self._tail.append((records.key_hash(name), offset))
        self.member_count += 1

    def add_image(self, key: str, image: Pixels, codec: Codec) -> None:
        """Compresses an image and adds it."""
        self.add(key, codec.encode(image), codec.id)

    def flush(self) -> None:
        """Writes the index of the members since the last one: a reader then opens the archive at once."""
        if self._last_index and not self._tail:
            return
        hashes, offsets = ([entry[part] for entry in self._tail] for part in (0, 1))
        places = [offset - self._start for offset in offsets]
        index = self._offset
        self._write(records.pack_index(self._last_index, self._start, hashes, places, index))
        self._last_index = index
        self._begin_segment()

    def close(self) -> None:
        """Ends the archive with an index; closes the file if this object opened it."""
        self.flush()
        if self._owned:
            self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin_segment(self) -> None:
        self._start = self._offset
        self._tail: list[tuple[int, int]] = []
        self._shared: list[tuple[int, str, bytes]] = []

    def _shared_prefix(self, codec: str, data: bytes) -> tuple[int, int]:
        """Returns the offset of the shared record that helps most, and how many bytes it gives."""
        candidates = [entry for entry in self._shared if entry[1] == codec]
        common = [_common_bytes(prefix, data) for _, _, prefix in candidates]
        if not common or (max(common) < _WORTH_SHARING_BYTES and len(self._shared) < _MOST_SHARED):
            # What goes into the shared record is left out of this member: it costs no more than its head.
            prefix = data[: records.LONGEST_PREFIX_BYTES]
            candidates.append((self._offset, codec, prefix))
            common.append(len(prefix))
            self._shared.append(candidates[-1])
            body = records.pack_shared(codec, prefix)
            self._write(records.pack_record(records.SHARED, body, self._offset))
        best = max(range(len(common)), key=common.__getitem__)
        return candidates[best][0], common[best]

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._offset += len(data)


def _lock(file: BinaryIO, path: str | os.PathLike[str]) -> None:
    """Keeps other writers away until the file is closed, where the system has such locks."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise CodecError(f"another program writes to {os.fspath(path)}") from None


def _encoded_key(key: str) -> bytes:
    try:
        name = key.encode()
    except UnicodeEncodeError:
        raise CodecError(f"a key is text that UTF-8 can hold, not {key!r}") from None
    if not 0 < len(name) <= records.LONGEST_KEY_BYTES:
        raise CodecError(f"a key has 1 to {records.LONGEST_KEY_BYTES} bytes of UTF-8, not {len(name)}")
    return name


def _common_bytes(prefix: bytes, data: bytes) -> int:
    """Returns how many bytes both begin with."""
    low, high = 0, min(len(prefix), len(data))
    if data.startswith(prefix):
        return len(prefix)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if prefix[:middle] == data[:middle] else (low, middle - 1)
    return low

"""The records in a file: one at a place, or all that are sound from a place on."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from services.compressor.codecs.archive import records
from services.compressor.codecs.errors import CorruptDataError

_READ_AHEAD_BYTES = 1 << 18
_FIRST_BYTES = 512
_MOST_IN_VAIN = 64
"""Times that the searched part may be read for checksums that are wrong: else a hostile file takes hours."""


class Record(NamedTuple):
    """A record whose checksum is right."""

    kind: int
    """MEMBER, SHARED or INDEX."""
    offset: int
    """Its place in the file."""
    end: int
    """The place after it."""
    body: bytes
    """What follows its head."""


class RecordFile:
    """A file that can seek; threads may share it."""

    def __init__(self, file: BinaryIO) -> None:
        """Takes the file, which is not closed here."""
        self._file = file
        self._lock = threading.Lock()

    def size(self) -> int:
        """Returns its size now."""
        with self._lock:
            return self._file.seek(0, os.SEEK_END)

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Returns so many bytes from a place, fewer at the file's end."""
        parts: list[bytes] = []
        with self._lock:
            self._file.seek(offset)
            while size_bytes > 0 and (part := self._file.read(size_bytes)):
                parts.append(part)
                size_bytes -= len(part)
        return b"".join(parts)

    def record(self, offset: int, end: int) -> Record | None:
        """Returns the record at a place, None when no sound one is there that ends by `end`."""
        return _record(_Window(self, _FIRST_BYTES), offset, end)

    def sound_records(self, start: int, end: int) -> Iterator[Record]:
        """Yields the sound records between two places; what is between them is passed over.

        Raises:
            CorruptDataError: So much looks like records and is none that only malice explains it.
        """
        window = _Window(self, _READ_AHEAD_BYTES)
        offset = start
        while offset < end:
            record = _record(window, offset, end)
            if window.in_vain_bytes > _MOST_IN_VAIN * (end - start) + _READ_AHEAD_BYTES:
                raise CorruptDataError(
                    f"the archive is damaged beyond use: after byte {offset} too much only looks like records"
                )
            if record is None:
                offset = _next_start(window, offset + 1, end)
            else:
                yield record
                offset = record.end


class _Window:
    """A part of the file, read ahead."""

    def __init__(self, file: RecordFile, ahead_bytes: int) -> None:
        self._file = file
        self._ahead_bytes = ahead_bytes
        self._data, self._offset = b"", 0
        self.in_vain_bytes = 0
        """Bytes of what looked like long records, and had another checksum."""

    def peek(self, offset: int, size_bytes: int) -> bytes:
        """Returns so many bytes from a place, fewer at the file's end."""
        at = offset - self._offset
        if at < 0 or at + size_bytes > len(self._data):
            self._data = self._file.read(offset, max(size_bytes, self._ahead_bytes))
            self._offset, at = offset, 0
        return self._data[at : at + size_bytes]


def _record(window: _Window, offset: int, end: int) -> Record | None:
    first = window.peek(offset, min(_FIRST_BYTES, max(0, end - offset)))
    head = records.read_head(first)
    if head is None:
        return None
    length = head.head_bytes + head.body_bytes
    if offset + length > end:
        return None
    if length > len(first):
        # A long one is read for its checksum only when it looks like one: in damaged parts many bytes
        # may be taken for a record's first.
        key_at_most = records.LONGEST_HEAD_BYTES * 4 + records.LONGEST_KEY_BYTES
        if not records.is_plausible(window.peek(offset, min(length, key_at_most)), head):
            return None
        first = window.peek(offset, length)
    record = first[:length]
    if len(record) < length or not records.is_sound(record, head, offset):
        window.in_vain_bytes += length if length > _FIRST_BYTES else 0
        return None
    return Record(head.kind, offset, offset + length, record[head.head_bytes :])


def _next_start(window: _Window, offset: int, end: int) -> int:
    """Returns the next place where a record may begin, `end` for none."""
    while offset < end:
        data = window.peek(offset, min(_FIRST_BYTES, end - offset))
        places = [data.find(kind) for kind in (records.MEMBER, records.SHARED, records.INDEX)]
        found = [place for place in places if place >= 0]
        if found or not data:
            return offset + min(found) if found else end
        offset += len(data)
    return end

"""Reading an archive: by key, in order, while it grows, and what is left of a damaged one."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self, TypeVar

import numpy as np

from services.compressor.codecs.archive import records
from services.compressor.codecs.archive.recordfile import Record, RecordFile
from services.compressor.codecs.archive.records import IndexTable, Member, UnknownMemberError
from services.compressor.codecs.base import DEFAULT_MAX_PIXELS, Pixels
from services.compressor.codecs.errors import CorruptDataError
from services.compressor.codecs.files import decode

T = TypeVar("T")

_TABLES_HELD = 64
_PREFIXES_HELD = 64
_LOST = np.dtype([("hash", "<u4"), ("offset", "<u8")])


class _Segment(NamedTuple):
    """Members that one index holds."""

    index_offset: int
    start: int
    """Offset from which the index counts."""
    member_count: int
    table: IndexTable | None
    """The index itself, when the file's was lost."""


class Damage(NamedTuple):
    """A part of an archive that holds no sound record."""

    start: int
    """Offset of its first byte."""
    end: int
    """Offset after its last."""
    after: str
    """Key of the last sound member before it; empty when there is none."""


class ArchiveReader:
    """Gives back the members of an archive.

    Opening a closed archive reads its indexes; one that still grows, or was cut off, is read through once.
    Every member that is whole can be read; each is checked before it is given. What is held does not grow
    with the number of members, but for those whose index was lost (12 bytes each). Threads may share a
    reader.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Opens the archive in a file that can seek; it is not closed here.

        Raises:
            CorruptDataError: The file is no archive, or one of a version not known.
        """
        self._file = RecordFile(file)
        self._owned: BinaryIO | None = None
        header = self._file.read(0, len(records.HEADER))
        if not header.startswith(records.MAGIC) or len(header) < len(records.HEADER):
            raise CorruptDataError("the file is no GanPress archive: it does not begin with 89 47 50 41")
        if header != records.HEADER:
            raise CorruptDataError(
                f"the GanPress archive has version {header[4]}; this program reads version {records.VERSION}"
            )
        self.end = len(records.HEADER)
        """Offset after the last whole record."""
        self.last_index = 0
        """Offset of the last index; 0 for none."""
        self.damaged_bytes = 0
        """Bytes passed over in reading the archive through: no sound record is in them."""
        self.tail_start = self.end
        self.tail: list[tuple[int, int]] = []
        """Hashes of the keys, and offsets, of the members after the last index."""
        self._segments: list[_Segment] = []
        self._held = threading.Lock()
        self._tables: OrderedDict[int, IndexTable] = OrderedDict()
        self._prefixes: OrderedDict[int, tuple[str, bytes]] = OrderedDict()
        if not self._open_by_index():
            self.refresh()

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Opens the archive in a file of this name; close it, or use it as a context.

        Raises:
            CorruptDataError: The file is no archive.
        """
        file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed by `close`
        try:
            reader = cls(file)
        except BaseException:
            file.close()
            raise
        reader._owned = file
        return reader

    def __len__(self) -> int:
        """Returns the number of members, those that later ones replaced included."""
        return sum(segment.member_count for segment in self._segments) + len(self.tail)

    def __contains__(self, key: str) -> bool:
        return self._find(key.encode(errors="replace")) is not None

    def read(self, key: str) -> Member:
        """Returns the member of a key, the last one of several.

        Raises:
            UnknownMemberError: There is none.
            CorruptDataError: The member, its index or what it begins with was altered.
        """
        record = self._find(key.encode(errors="replace"))
        if record is None:
            raise UnknownMemberError(f"the archive has no member {key!r}; it has {len(self)} members")
        return self._member(record)

    def decode(self, key: str, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
        """Returns the image of a key; see `read` and `codecs.decode`."""
        return decode(self.read(key).data, max_pixels=max_pixels)

    def __iter__(self) -> Iterator[Member]:
        """Yields all members in the order of writing, those that later ones replaced included.

        Damaged ones are passed over. What was written after the last `refresh` is not among them.
        """
        for record in self._file.sound_records(len(records.HEADER), self.end):
            if record.kind == records.MEMBER:
                try:
                    yield self._member(record)
                except CorruptDataError:
                    continue

    def keys(self) -> Iterator[str]:
        """Yields the keys of all members in the order of writing."""
        for record in self._file.sound_records(len(records.HEADER), self.end):
            if record.kind == records.MEMBER:
                yield records.read_member(record.body)[2].decode(errors="replace")

    def damage(self) -> Iterator[Damage]:
        """Reads the archive through and yields all parts of it that no checksum vouches for.

        Of a sound archive there are none. A member whose beginning lies in a damaged shared record is whole,
        but cannot be read: its own place is told as well.
        """
        offset, after = len(records.HEADER), ""
        for record in self._file.sound_records(offset, self._file.size()):
            if record.offset > offset:
                yield Damage(offset, record.offset, after)
            offset = record.end
            if record.kind == records.MEMBER:
                try:
                    after = self._member(record).key
                except CorruptDataError:
                    yield Damage(record.offset, record.end, after)
        if offset < self._file.size():
            yield Damage(offset, self._file.size(), after)

    def refresh(self) -> int:
        """Takes in what was written since; returns the number of new members."""
        before = len(self)
        for record in self._file.sound_records(self.end, self._file.size()):
            self.damaged_bytes += record.offset - self.end
            self.end = record.end
            if record.kind == records.MEMBER:
                key = records.read_member(record.body)[2]
                self.tail.append((records.key_hash(key), record.offset))
            elif record.kind == records.INDEX:
                self._close_tail(records.read_index(record.body, record.offset), record)
        return len(self) - before

    def close(self) -> None:
        """Closes the file if this object opened it."""
        if self._owned:
            self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_by_index(self) -> bool:
        """Takes in the chain of indexes with which the file ends; tells whether there is a sound one."""
        size = self._file.size()
        ending = self._file.read(max(0, size - records.ENDING_BYTES), records.ENDING_BYTES)
        last = records.last_index_offset(ending, size)
        if last is None:
            return False
        segments: list[_Segment] = []
        offset, end = last, size
        while offset:
            record = self._file.record(offset, end)
            if record is None or record.kind != records.INDEX:
                return False
            try:
                index = records.read_index(record.body, offset)
            except CorruptDataError:
                return False
            segments.append(_Segment(offset, index.start, len(index.table), None))
            offset, end = index.previous, offset
        self._segments, self.last_index = segments[::-1], last
        self.end = self.tail_start = size
        return True

    def _close_tail(self, index: records.IndexRecord, record: Record) -> None:
        """Replaces what was held of the members by their index, which has now come."""
        if lost := [entry for entry in self.tail if entry[1] < index.start]:
            table = np.array(lost, _LOST)
            table.sort(order=("hash", "offset"))
            self._segments.append(_Segment(0, 0, len(table), table))
        self._segments.append(_Segment(record.offset, index.start, len(index.table), None))
        self.last_index = record.offset
        self.tail_start, self.tail = record.end, []

    def _find(self, key: bytes) -> Record | None:
        """Returns the record of the last member of a key."""
        wanted = records.key_hash(key)
        for hashed, offset in reversed(self.tail):
            if hashed == wanted and (record := self._record_of(key, offset)):
                return record
        for segment in reversed(self._segments):
            table = self._table(segment)
            first = np.searchsorted(table["hash"], wanted, "left")
            last = np.searchsorted(table["hash"], wanted, "right")
            for place in reversed(table["offset"][first:last].tolist()):
                if record := self._record_of(key, segment.start + place):
                    return record
        return None

    def _record_of(self, key: bytes, offset: int) -> Record | None:
        """Returns the member's record at a place, None when it has another key."""
        record = self._file.record(offset, self.end)
        if record is None or record.kind != records.MEMBER:
            raise CorruptDataError(f"the archive was altered: there is no sound member at byte {offset}")
        return record if records.read_member(record.body)[2] == key else None

    def _member(self, record: Record) -> Member:
        distance, prefix_bytes, key, rest = records.read_member(record.body)
        codec, prefix = self._prefix(record.offset - distance)
        if prefix_bytes > len(prefix):
            raise CorruptDataError(f"the archive's member at byte {record.offset} contradicts its beginning")
        return Member(key.decode(errors="replace"), codec, prefix[:prefix_bytes] + rest)

    def _prefix(self, offset: int) -> tuple[str, bytes]:
        """Returns codec and prefix of the shared record at a place."""
        with self._held:
            if (found := self._prefixes.get(offset)) is not None:
                return found
        record = self._file.record(offset, self.end) if offset > 0 else None
        if record is None or record.kind != records.SHARED:
            raise CorruptDataError(
                f"the archive was altered: there is no sound shared record at byte {offset}"
            )
        found = records.read_shared(record.body)
        with self._held:
            _hold(self._prefixes, offset, found, _PREFIXES_HELD)
        return found

    def _table(self, segment: _Segment) -> IndexTable:
        if segment.table is not None:
            return segment.table
        with self._held:
            if (table := self._tables.get(segment.index_offset)) is not None:
                return table
        record = self._file.record(segment.index_offset, self.end)
        if record is None or record.kind != records.INDEX:
            raise CorruptDataError(
                f"the archive was altered: there is no sound index at byte {segment.index_offset}"
            )
        table = records.read_index(record.body, segment.index_offset).table
        with self._held:
            _hold(self._tables, segment.index_offset, table, _TABLES_HELD)
        return table


def _hold(held: OrderedDict[int, T], key: int, value: T, most: int) -> None:
    held[key] = value
    if len(held) > most:
        held.popitem(last=False)

"""The bytes of an archive: a header, then records one after the other.

A record's checksum covers its place in the file, so that the records of an archive inside an archive, or
ones that were moved, are never taken for the file's own.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.container import ARCHIVE_MAGIC
from services.compressor.codecs.errors import CodecError, CorruptDataError

MAGIC = ARCHIVE_MAGIC
VERSION = 1
HEADER = MAGIC + bytes([VERSION, 0, 0, 0])

MEMBER, SHARED, INDEX = 0xE1, 0xE2, 0xE3
"""Kinds of records: their first byte."""

INDEX_END = b"GPAX"
"""How an index record, and so an archive that was closed, ends."""

LONGEST_KEY_BYTES = 4095
LONGEST_PREFIX_BYTES = 1024
LONGEST_CODEC_BYTES = 64
MOST_INDEXED = 1 << 16
"""Most members of one index record."""
LARGEST_SPAN_BYTES = 2**32 - 1
"""Most bytes from an index's start to its last member: the table holds 32 bits."""

INDEX_ENTRY = np.dtype([("hash", "<u4"), ("offset", "<u4")])
IndexTable = npt.NDArray[np.void]

_CRC = struct.Struct("<I")
_PLACE = struct.Struct("<Q")
_LENGTH = struct.Struct("<I")
_LONGEST_NUMBER_BYTES = 9  # 63 bits
_LONGEST_SHARED_BYTES = 1 + LONGEST_CODEC_BYTES + LONGEST_PREFIX_BYTES
_LONGEST_INDEX_BYTES = 64 + MOST_INDEXED * INDEX_ENTRY.itemsize
LONGEST_HEAD_BYTES = 1 + _LONGEST_NUMBER_BYTES + _CRC.size
ENDING_BYTES = _LENGTH.size + len(INDEX_END)


@dataclass(frozen=True)
class Member:
    """One image of an archive."""

    key: str
    """Its name."""
    codec: str
    """Id of the codec that wrote it."""
    data: bytes
    """Its file."""


class UnknownMemberError(CodecError):
    """The archive has no member of this key."""


class Head(NamedTuple):
    """What comes before a record's body."""

    kind: int
    """MEMBER, SHARED or INDEX."""
    head_bytes: int
    """Length of the head itself."""
    body_bytes: int
    """Length of the body that follows."""


class IndexRecord(NamedTuple):
    """What an index record says about the members since the one before."""

    previous: int
    """Offset of the index record before it; 0 for none."""
    start: int
    """Offset from which the table counts."""
    table: IndexTable
    """A row a member, sorted by the hash of its key: hash, and offset from `start`."""


def key_hash(key: bytes) -> int:
    """Returns the hash by which the index sorts keys: CRC-32."""
    return zlib.crc32(key)


def number(value: int) -> bytes:
    """Writes a number of up to 63 bits: 7 bits a byte, the low ones first, bit 7 set when more follow."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """Returns the number at a place and the place after it.

    Raises:
        CorruptDataError: It is cut off or longer than nine bytes.
    """
    value = 0
    for count, byte in enumerate(data[at : at + _LONGEST_NUMBER_BYTES]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, at + count + 1
    raise CorruptDataError("the archive is truncated or altered: a number has no end")


def pack_record(kind: int, body: bytes, offset: int) -> bytes:
    """Returns a record for its place in the file."""
    start = bytes([kind]) + number(len(body))
    return start + _CRC.pack(_checksum(start, body, offset)) + body


def read_head(data: bytes) -> Head | None:
    """Returns the head that the bytes begin with; None when they begin with none."""
    if not data or data[0] not in {MEMBER, SHARED, INDEX}:
        return None
    try:
        body_bytes, at = read_number(data, 1)
    except CorruptDataError:
        return None
    return Head(data[0], at + _CRC.size, body_bytes)


def is_sound(record: bytes, head: Head, offset: int) -> bool:
    """Tells whether a whole record has the checksum for its place in the file."""
    start, body = record[: head.head_bytes - _CRC.size], record[head.head_bytes :]
    return _CRC.unpack_from(record, len(start))[0] == _checksum(start, body, offset)


def pack_shared(codec: str, prefix: bytes) -> bytes:
    """Returns the body of a shared record: what members of one codec begin with."""
    name = codec.encode("ascii")
    return number(len(name)) + name + prefix


def read_shared(body: bytes) -> tuple[str, bytes]:
    """Returns the codec and the prefix in a shared record's body."""
    length, at = read_number(body, 0)
    return body[at : at + length].decode("ascii", "replace"), body[at + length :]


def pack_member(distance: int, prefix_bytes: int, key: bytes, rest: bytes) -> bytes:
    """Returns the body of a member.

    Args:
        distance: Bytes from the shared record that it refers to, back from the member's own offset.
        prefix_bytes: How many bytes of the shared record's prefix its data begin with.
        key: Its key in UTF-8.
        rest: Its data after those.
    """
    return number(distance) + number(prefix_bytes) + number(len(key)) + key + rest


def read_member(body: bytes) -> tuple[int, int, bytes, bytes]:
    """Returns the arguments of `pack_member` from a member's body."""
    distance, at = read_number(body, 0)
    prefix_bytes, at = read_number(body, at)
    length, at = read_number(body, at)
    return distance, prefix_bytes, body[at : at + length], body[at + length :]


def pack_index(previous: int, start: int, hashes: Sequence[int], places: Sequence[int], offset: int) -> bytes:
    """Returns an index record for its offset; `places` are the members' offsets from `start`."""
    table = np.empty(len(hashes), INDEX_ENTRY)
    table["hash"], table["offset"] = hashes, places
    table.sort(order=("hash", "offset"))
    body = number(previous) + number(start) + number(len(table)) + table.tobytes()
    record_bytes = 1 + len(number(len(body) + ENDING_BYTES)) + _CRC.size + len(body) + ENDING_BYTES
    return pack_record(INDEX, body + _LENGTH.pack(record_bytes) + INDEX_END, offset)


def read_index(body: bytes, offset: int) -> IndexRecord:
    """Returns what is in an index record's body; `offset` is the record's place.

    Raises:
        CorruptDataError: It contradicts itself.
    """
    previous, at = read_number(body, 0)
    start, at = read_number(body, at)
    count, at = read_number(body, at)
    if at + count * INDEX_ENTRY.itemsize + ENDING_BYTES != len(body):
        raise CorruptDataError(f"the archive's index at byte {offset} has not the length that it announces")
    if previous >= offset or not len(HEADER) <= start <= offset:
        raise CorruptDataError(f"the archive's index at byte {offset} points behind itself")
    return IndexRecord(previous, start, np.frombuffer(body, INDEX_ENTRY, count, at))


def last_index_offset(ending: bytes, size_bytes: int) -> int | None:
    """Returns where the index record starts with which a file ends; None when it ends with none."""
    if len(ending) != ENDING_BYTES or not ending.endswith(INDEX_END):
        return None
    offset = size_bytes - _LENGTH.unpack_from(ending)[0]
    return offset if len(HEADER) <= offset < size_bytes else None


def is_plausible(data: bytes, head: Head) -> bool:
    """Tells whether a record may begin here, by its first bytes: cheaper than a checksum."""
    body = data[head.head_bytes :]
    if head.kind == SHARED:
        return head.body_bytes <= _LONGEST_SHARED_BYTES
    if head.kind == INDEX:
        return head.body_bytes <= _LONGEST_INDEX_BYTES
    try:
        _, prefix_bytes, key, _ = read_member(body)
        key.decode()
    except (CorruptDataError, UnicodeDecodeError):
        return False
    return prefix_bytes <= LONGEST_PREFIX_BYTES and 0 < len(key) <= LONGEST_KEY_BYTES


def _checksum(start: bytes, body: bytes, offset: int) -> int:
    return zlib.crc32(body, zlib.crc32(start, zlib.crc32(_PLACE.pack(offset))))

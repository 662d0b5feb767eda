"""Puts the right checksums into altered files: else nearly all that a fuzzer makes would be refused by them.

A checksum finds damage, not malice: whoever makes a hostile file gives it the right one.
"""

from __future__ import annotations

import struct
import zlib

from services.compressor.codecs import container
from services.compressor.codecs.archive import records
from services.compressor.codecs.errors import CorruptDataError

_CRC = struct.Struct("<I")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def mended_container(data: bytes) -> bytes:
    """Returns a GanPress file with its checksum put right; other data as it is."""
    try:
        _, offset = container.read_varint(data, 3)
        _, offset = container.read_varint(data, offset)
    except CorruptDataError:
        return data
    fields, payload = data[:offset], data[offset + _CRC.size :]
    return fields + _CRC.pack(zlib.crc32(payload, zlib.crc32(fields))) + payload


def mended_archive(data: bytes) -> bytes:
    """Returns an archive with the checksums of its records put right, as far as records follow each other."""
    parts, offset = [data[: len(records.HEADER)]], len(records.HEADER)
    while (head := records.read_head(data[offset : offset + 16])) is not None:
        end = offset + head.head_bytes + head.body_bytes
        if end > len(data):
            break
        parts.append(records.pack_record(head.kind, data[offset + head.head_bytes : end], offset))
        offset = end
    return b"".join([*parts, data[offset:]])


def mended_png(data: bytes) -> bytes:
    """Returns a PNG with the checksums of its chunks put right; other data as it is."""
    if not data.startswith(_PNG_SIGNATURE):
        return data
    parts, offset = [_PNG_SIGNATURE], len(_PNG_SIGNATURE)
    while offset + 12 <= len(data):
        end = offset + 8 + int.from_bytes(data[offset : offset + 4], "big")
        if end + 4 > len(data):
            break
        parts.append(data[offset:end] + struct.pack(">I", zlib.crc32(data[offset + 4 : end])))
        offset = end + 4
    return b"".join([*parts, data[offset:]])

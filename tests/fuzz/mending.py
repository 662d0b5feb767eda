"""Puts the right checksums into altered files: else nearly all that a fuzzer makes would be refused by them.

A checksum finds damage, not malice: whoever makes a hostile file gives it the right one.
"""

from __future__ import annotations

import struct
import tarfile
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


def mended_tar(data: bytes) -> bytes:
    """Returns a plain tar with the checksums of its headers put right, as far as they follow each other."""
    parts, offset = list[bytes](), 0
    while any(header := data[offset : offset + tarfile.BLOCKSIZE]) and len(header) == tarfile.BLOCKSIZE:
        blank = header[:148] + b" " * 8 + header[156:]
        end = offset + tarfile.BLOCKSIZE + _data_bytes(header)
        parts.append(b"%b%06o\0 %b" % (header[:148], sum(blank), header[156:]))
        parts.append(data[offset + tarfile.BLOCKSIZE : end])
        offset = end
    return b"".join([*parts, data[offset:]])


def _data_bytes(header: bytes) -> int:
    """Returns how many bytes follow a header before the next one."""
    try:
        size: int = tarfile.nti(header[124:136])  # type: ignore[attr-defined]
    except tarfile.HeaderError:
        return 0
    if size < 0 or header[156:157] in b"123456":
        return 0
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE

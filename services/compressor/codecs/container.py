"""GanPress's own file container, version 2.

A header of 9 bytes for images of up to 127 pixels a side, then the payload, then nothing:

    bytes   field
    2       magic: 89 47 ("G" after a byte that is no ASCII)
    1       version, channels and codec: 1 in the top bit, channels (0 grey, 1 RGB, 2 RGBA) in the next three,
            the codec's number in the lower four
    1..5    width in pixels, at least 1, as a varint
    1..5    height in pixels, at least 1, as a varint
    4       CRC-32 (as in PNG, little-endian) over all other bytes in their order
            payload, defined by the codec, up to the end of the file

A varint (LEB128) has 7 bits of the number in each byte, the lowest first; all but the last byte have their
top bit set, and the last is not 0 unless it is the only one. Any change of up to 32 consecutive bits is
found, and any cut with the certainty of 32 bits.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from services.compressor.codecs.errors import CorruptDataError, TooManyPixelsError

MAGIC = b"\x89G"
ARCHIVE_MAGIC = MAGIC + b"PA"
"""How an archive of many files begins, which is no container."""
VERSION = 2
DCT, PALETTE, JPEG, SEED = 1, 2, 3, 4
"""Numbers of the codecs; none is ever given to another."""
_VERSION_BIT = 0x80
_CHANNELS = (1, 3, 4)
_CRC = struct.Struct("<I")
_VARINT_BYTES = 5


@dataclass(frozen=True)
class Container:
    """One image's payload and what its header says."""

    codec: int
    """Number of the codec that defines the payload, 0..15."""
    width_px: int
    """Width, 1..2^32 - 1."""
    height_px: int
    """Height, 1..2^32 - 1."""
    channels: int
    """1, 3 or 4."""
    payload: bytes
    """The codec's data."""

    def pack(self) -> bytes:
        """Returns the file."""
        kind = _VERSION_BIT | _CHANNELS.index(self.channels) << 4 | self.codec
        fields = MAGIC + bytes([kind]) + varint(self.width_px) + varint(self.height_px)
        return fields + _CRC.pack(_checksum(fields, self.payload)) + self.payload


class Peek(NamedTuple):
    """What a header says, believed or not."""

    codec: int
    """Number of the codec."""
    width_px: int
    """Width."""
    height_px: int
    """Height."""
    channels: int
    """Samples a pixel; 0 for a kind that is not known."""
    is_sound: bool
    """Whether the checksum matches: if not, nothing of it can be relied on."""


def is_container(data: bytes) -> bool:
    """Tells whether the bytes begin as a container does."""
    return len(data) > len(MAGIC) and data.startswith(MAGIC) and bool(data[2] & _VERSION_BIT)


def is_of_unknown_version(data: bytes) -> bool:
    """Tells whether the bytes begin as a GanPress file, but as none of this container or an archive."""
    return data.startswith(MAGIC) and not is_container(data) and not data.startswith(ARCHIVE_MAGIC)


def peek(data: bytes) -> Peek:
    """Returns what a file's header says, even when its checksum does not match.

    Raises:
        CorruptDataError: It is no container, or shorter than a header.
    """
    if not is_container(data):
        raise CorruptDataError("the data is no GanPress file: it does not begin with 89 47 and 80..af")
    width_px, offset = read_varint(data, len(MAGIC) + 1)
    height_px, offset = read_varint(data, offset)
    if len(data) < offset + _CRC.size:
        raise CorruptDataError(f"the GanPress file is truncated: {len(data)} bytes are less than a header's")
    channels = data[2] >> 4 & 7
    is_sound = _CRC.unpack_from(data, offset)[0] == _checksum(data[:offset], data[offset + _CRC.size :])
    return Peek(
        data[2] & 15, width_px, height_px, _CHANNELS[channels] if channels < len(_CHANNELS) else 0, is_sound
    )


def unpack(data: bytes, *, max_pixels: int) -> Container:
    """Returns what is in a file.

    Raises:
        CorruptDataError: It is no container, of a version or kind not known, truncated or altered.
        TooManyPixelsError: Its header announces more than `max_pixels` pixels.
    """
    if not is_container(data):
        raise CorruptDataError("the data is no GanPress file: it does not begin with 89 47 and 80..af")
    width_px, offset = read_varint(data, len(MAGIC) + 1)
    height_px, offset = read_varint(data, offset)
    fields, payload = data[:offset], data[offset + _CRC.size :]
    if len(data) < offset + _CRC.size:
        raise CorruptDataError(f"the GanPress file is truncated: {len(data)} bytes are less than a header's")
    if _CRC.unpack_from(data, offset)[0] != _checksum(fields, payload):
        raise CorruptDataError("the GanPress file was truncated or altered: its checksum does not match")
    channels, codec = data[2] >> 4 & 7, data[2] & 15
    if not width_px or not height_px or channels >= len(_CHANNELS):
        raise CorruptDataError(
            f"the GanPress file announces {width_px} x {height_px} pixels of kind {channels}; "
            "both sides are at least 1, kinds are 0 (grey), 1 (RGB) and 2 (RGBA)"
        )
    check_pixels(width_px, height_px, max_pixels)
    return Container(codec, width_px, height_px, _CHANNELS[channels], payload)


def check_pixels(width_px: int, height_px: int, max_pixels: int) -> None:
    """Raises TooManyPixelsError when an image of this size has more than `max_pixels` pixels."""
    if width_px * height_px > max_pixels:
        raise TooManyPixelsError(
            f"the image has {width_px} x {height_px} = {width_px * height_px} pixels; "
            f"at most {max_pixels} are accepted"
        )


def varint(number: int) -> bytes:
    """Returns a number of 0 to 2^32 - 1 as a varint."""
    if not 0 <= number < 1 << 32:
        raise ValueError(f"a varint holds 0 to 2^32 - 1, not {number}")
    groups: list[int] = []
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


def read_varint(data: bytes, offset: int) -> tuple[int, int]:
    """Returns the varint at an offset and the offset behind it.

    Raises:
        CorruptDataError: The data ends inside of it, or it is longer than the number needs.
    """
    number = 0
    for i in range(_VARINT_BYTES):
        if offset + i >= len(data):
            raise CorruptDataError("the GanPress file is truncated: it ends inside of a number")
        byte = data[offset + i]
        number |= (byte & 127) << 7 * i
        if not byte & 128:
            if (i and not byte) or number >> 32:
                break
            return number, offset + i + 1
    raise CorruptDataError("the GanPress file has a number that is not written in the one way allowed")


def _checksum(fields: bytes, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(fields))

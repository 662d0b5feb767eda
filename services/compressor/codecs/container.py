"""GanPress's own file container, version 1.

A header of 23 bytes, then the payload, then nothing; numbers are little-endian and unsigned:

    offset  bytes  field
    0       4      magic: 89 47 50 43 ("GPC" after a byte that is no ASCII)
    4       1      version: 1
    5       1      codec: 1 is DCT
    6       1      channels: 1 grey, 3 RGB, 4 RGBA
    7       4      width in pixels, at least 1
    11      4      height in pixels, at least 1
    15      4      length of the payload in bytes
    19      4      CRC-32 (as in PNG) over bytes 0..18 and the payload
    23             payload, defined by the codec

Any cut and any change of up to 32 consecutive bits is found.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from services.compressor.codecs.errors import CorruptDataError, TooManyPixelsError

MAGIC = b"\x89GPC"
VERSION = 1
_FIELDS = struct.Struct("<4sBBBIII")
_CRC = struct.Struct("<I")
HEADER_BYTES = _FIELDS.size + _CRC.size


@dataclass(frozen=True)
class Container:
    """One image's payload and what its header says."""

    codec: int
    """Number of the codec that defines the payload, 0..255."""
    width_px: int
    """Width, at least 1."""
    height_px: int
    """Height, at least 1."""
    channels: int
    """1, 3 or 4."""
    payload: bytes
    """The codec's data."""

    def pack(self) -> bytes:
        """Returns the file."""
        fields = _FIELDS.pack(
            MAGIC,
            VERSION,
            self.codec,
            self.channels,
            self.width_px,
            self.height_px,
            len(self.payload),
        )
        return fields + _CRC.pack(_checksum(fields, self.payload)) + self.payload


def is_container(data: bytes) -> bool:
    """Tells whether the bytes begin as a container does."""
    return data.startswith(MAGIC)


def unpack(data: bytes, *, max_pixels: int) -> Container:
    """Returns what is in a file.

    Raises:
        CorruptDataError: It is no container, of a version or kind not known, truncated or altered.
        TooManyPixelsError: Its header announces more than `max_pixels` pixels.
    """
    if not is_container(data):
        raise CorruptDataError("the data is no GanPress file: it does not begin with 89 47 50 43")
    if len(data) < HEADER_BYTES:
        raise CorruptDataError(
            f"the GanPress file is truncated: {len(data)} bytes are less than a header's {HEADER_BYTES}"
        )
    _, version, codec, channels, width_px, height_px, payload_bytes = _FIELDS.unpack_from(data)
    payload = data[HEADER_BYTES:]
    if len(payload) != payload_bytes:
        raise CorruptDataError(
            f"the GanPress file is truncated or altered: its header announces {payload_bytes} bytes "
            f"of payload, {len(payload)} follow"
        )
    if _CRC.unpack_from(data, _FIELDS.size)[0] != _checksum(data[: _FIELDS.size], payload):
        raise CorruptDataError("the GanPress file was altered: its checksum does not match")
    if version != VERSION:
        raise CorruptDataError(
            f"the GanPress file has version {version}; this program reads version {VERSION}"
        )
    if not width_px or not height_px or channels not in (1, 3, 4):
        raise CorruptDataError(
            f"the GanPress file announces {width_px} x {height_px} pixels with {channels} channels; "
            "both sides are at least 1, channels are 1, 3 or 4"
        )
    check_pixels(width_px, height_px, max_pixels)
    return Container(codec, width_px, height_px, channels, payload)


def check_pixels(width_px: int, height_px: int, max_pixels: int) -> None:
    """Raises TooManyPixelsError when an image of this size has more than `max_pixels` pixels."""
    if width_px * height_px > max_pixels:
        raise TooManyPixelsError(
            f"the image has {width_px} x {height_px} = {width_px * height_px} pixels; "
            f"at most {max_pixels} are accepted"
        )


def _checksum(fields: bytes, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(fields))

"""What of a file Pillow does not tell: bits a sample, and bytes behind the image."""

from __future__ import annotations

import struct
from typing import Any, cast

from PIL import Image

_TIFF_BITS_PER_SAMPLE = 258


def bits_per_sample(image: Image.Image, data: bytes) -> int:
    """Returns the bits of a sample in the file, which Pillow may have cut to 8."""
    if image.mode == "1":
        return 1
    bits = 16 if image.mode.startswith("I;16") else 8
    match image.format:
        case "PNG":
            bits = data[24]
        case "TIFF":
            tag: Any = getattr(image, "tag_v2", {}).get(_TIFF_BITS_PER_SAMPLE)
            bits = max(map(int, cast("tuple[int, ...]", tag))) if isinstance(tag, tuple) else bits
        case "AVIF":
            flags = data[at + 6 : at + 7] if (at := data.find(b"av1C")) > 0 else b""
            bits = 8 if not flags or not flags[0] & 0x40 else 12 if flags[0] & 0x20 else 10
        case "JPEG2000":
            depth = data[at + 14 : at + 15] if (at := data.find(b"ihdr")) > 0 else data[42:43]
            bits = (depth[0] & 127) + 1 if depth and depth[0] != 255 else bits
        case "HEIF":
            bits = int(image.info.get("bit_depth") or 8)
        case _:
            pass
    return max(8, bits)


def trailing_bytes(image_format: str | None, data: bytes) -> int:
    """Returns how many bytes of a JPEG, PNG or WebP lie behind its image; 0 for other formats."""
    if image_format in ("JPEG", "MPO"):
        end = jpeg_end(data)
    elif image_format == "PNG":
        end = _png_end(data)
    elif image_format == "WEBP":
        end = 8 + int.from_bytes(data[4:8], "little")
        end += end & 1
    else:
        return 0
    return max(0, len(data) - end) if end else 0


def jpeg_end(data: bytes) -> int:
    """Returns the offset behind the first image's end marker; 0 when it has none."""
    offset = 2
    while 0 < offset + 4 <= len(data):
        if data[offset] != 0xFF:
            return 0
        marker = data[offset + 1]
        if marker == 0xFF:  # a fill byte
            offset += 1
        elif marker in (0x01, *range(0xD0, 0xD8)):
            offset += 2
        else:
            offset += 2 + struct.unpack_from(">H", data, offset + 2)[0]
            if marker == 0xDA:
                offset, marker = _scan_end(data, offset)
                if marker == 0xD9:
                    return offset + 2
    return offset + 2 if data[offset : offset + 2] == b"\xff\xd9" else 0


def _scan_end(data: bytes, offset: int) -> tuple[int, int]:
    """Returns the offset of the marker that ends a scan, and the marker; -4 and 0 when there is none."""
    while (offset := data.find(b"\xff", offset)) >= 0 and offset + 1 < len(data):
        marker = data[offset + 1]
        if marker not in (0x00, 0xFF, *range(0xD0, 0xD8)):
            return offset, marker
        offset += 1 if marker == 0xFF else 2
    return -4, 0


def _png_end(data: bytes) -> int:
    offset = 8
    while offset + 12 <= len(data):
        length, kind = int.from_bytes(data[offset : offset + 4], "big"), data[offset + 4 : offset + 8]
        offset += 12 + length
        if kind == b"IEND":
            return offset
    return 0

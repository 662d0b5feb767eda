"""EXIF, XMP and other texts of an image."""

from __future__ import annotations

import re
import struct
from typing import Any

from PIL import ExifTags, Image

_EXIF_PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>))[1-8]")
_TIFF_TEXTS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)
_OTHERS = {"comment": "a comment", "photoshop": "IPTC and Photoshop fields"}


def exif_of(image: Image.Image) -> bytes | None:
    """Returns the EXIF block behind its prefix, upright; None without one."""
    raw = image.info.get("exif")
    if image.format == "TIFF":
        raw = _exif_of_tiff(image)
    if not isinstance(raw, bytes) or not raw:
        return None
    return _EXIF_PREFIX + _upright(raw.removeprefix(_EXIF_PREFIX))


def xmp_of(image: Image.Image) -> bytes | None:
    """Returns the XMP packet, upright; None without one."""
    raw = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if isinstance(raw, str):
        raw = raw.encode()
    return _XMP_ORIENTATION.sub(rb"\g<1>1", raw) if isinstance(raw, bytes) and raw else None


def other_texts(image: Image.Image) -> list[str]:
    """Returns names of what else an image says of itself."""
    info: dict[Any, Any] = image.info
    named = [words for key, words in _OTHERS.items() if info.get(key)]
    texts = [key for key in getattr(image, "text", {}) if key != "XML:com.adobe.xmp"]
    if texts:
        shown = ", ".join(repr(key) for key in texts[:3]) + (", ..." if len(texts) > 3 else "")
        named.append(f"the texts {shown}" if len(texts) > 1 else f"the text {shown}")
    return named


def _exif_of_tiff(image: Image.Image) -> bytes | None:
    """Returns what a TIFF's tags say beside how its samples are stored."""
    tags, kept = image.getexif(), Image.Exif()
    for tag in _TIFF_TEXTS:
        if tag in tags:
            kept[tag] = tags[tag]
    for folder in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if values := tags.get_ifd(folder):
            kept[folder] = dict(values)
    return kept.tobytes() if len(kept) else None


def _upright(tiff: bytes) -> bytes:
    """Returns an EXIF block with its orientation set to upright, all else as it was."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 10:
        return tiff
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    if start + 2 > len(tiff):
        return tiff
    (count,) = struct.unpack_from(order + "H", tiff, start)
    patched = bytearray(tiff)
    for offset in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        if struct.unpack_from(order + "H", tiff, offset)[0] == _ORIENTATION:
            struct.pack_into(order + "H", patched, offset + 8, 1)
    return bytes(patched)

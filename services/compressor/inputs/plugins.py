"""Formats that packages beside Pillow read, where they are installed."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from services.compressor.codecs import FORMATS, CorruptDataError, MissingPackageError, container
from services.compressor.inputs import jpegxl

_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


@cache
def readable_formats() -> tuple[str, ...]:
    """Returns the formats that can be read, by Pillow's names."""
    formats: list[str] = list(FORMATS)
    if heif := _module("pi_heif") or _module("pillow_heif"):
        heif.register_heif_opener(thumbnails=False)
        formats.append("HEIF")
    if _module("pillow_jxl"):
        formats.append("JXL")
    return tuple(formats)


def input_formats() -> tuple[str, ...]:
    """Returns the formats that can be read, as reports name them, sorted."""
    return tuple(sorted(format_name(pillow_name) for pillow_name in readable_formats()))


def format_name(pillow_name: str) -> str:
    """Returns a format's name as reports have it."""
    return {"HEIF": "heic", "MPO": "jpeg"}.get(pillow_name, pillow_name.lower())


def check_plugins(data: bytes, max_pixels: int) -> None:
    """Checks a file that only a plug-in reads before the plug-in sees it.

    Raises:
        MissingPackageError: The package for it is not installed.
        TooManyPixelsError: It is a JPEG XL, which its plug-in decodes at once, with too many pixels.
        CorruptDataError: It is a JPEG XL without a size.
    """
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and "HEIF" not in readable_formats():
        raise MissingPackageError("a HEIC image", "pi-heif", "heic")
    if jpegxl.is_jpegxl(data):
        if "JXL" not in readable_formats():
            raise MissingPackageError("a JPEG XL image", "pillow-jxl-plugin", "jxl")
        try:
            width_px, height_px = jpegxl.size(data)
        except ValueError as error:
            raise CorruptDataError(f"the image is truncated or broken: {error}") from error
        container.check_pixels(width_px, height_px, max_pixels)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None

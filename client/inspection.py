"""What an image file says about itself, read from its header without decoding it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from PIL import ExifTags, Image, JpegImagePlugin

from client.errors import InputError
from services.compressor.codecs import DEFAULT_MAX_PIXELS, CodecError, identify, repack
from services.compressor.codecs import container as ganpress_file
from services.compressor.codecs.kmeans import packing
from services.compressor.codecs.reading import open_image
from services.compressor.codecs.seed import SeedCodec, read_origin

_PREFIX = "ganpress:"
_SAMPLES = {"P": 3, "CMYK": 4, "LA": 2, "RGBA": 4, "RGB": 3}
_SUBSAMPLINGS = {0: "444", 1: "422", 2: "420"}


@dataclass(frozen=True)
class Inspection:
    """What is known of one image file."""

    codec: str
    """Codec that writes such files, or the format's name when none of ours does."""
    width_px: int
    """Width."""
    height_px: int
    """Height."""
    channels: int
    """Samples per pixel: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA or CMYK."""
    size_bytes: int
    """Size of the file."""
    bits_per_pixel: float
    """8 x size_bytes / (width_px x height_px)."""
    settings: dict[str, Any]
    """Settings that the file still shows."""
    provenance: dict[str, str]
    """Model, version, digest, label, seed and truncation of a generated image."""


def inspect_image(data: bytes) -> Inspection:
    """Returns what an image file says about itself.

    Raises:
        InputError: It is no image that GanPress reads.
    """
    try:
        codec = identify(data)
        if ganpress_file.is_container(data):
            header = ganpress_file.unpack(data, max_pixels=DEFAULT_MAX_PIXELS)
            size = (header.width_px, header.height_px, header.channels)
            if codec == SeedCodec.id:
                return _inspection(codec, data, *size, {}, _origin(data))
            return _inspection(codec, data, *size, _CONTAINER_SETTINGS[codec](header.payload))
        with open_image(data) as image:
            settings = _SETTINGS[codec](image, data) if codec in _SETTINGS else {}
            channels = _SAMPLES.get(image.mode, 1)
            return _inspection(codec, data, *image.size, channels, settings, _provenance(image))
    except CodecError as error:
        raise InputError(str(error)) from error


def _inspection(
    codec: str,
    data: bytes,
    width_px: int,
    height_px: int,
    channels: int,
    settings: dict[str, Any],
    provenance: dict[str, str] | None = None,
) -> Inspection:
    rate = 8 * len(data) / (width_px * height_px)
    return Inspection(codec, width_px, height_px, channels, len(data), rate, settings, provenance or {})


def _provenance(image: Image.Image) -> dict[str, str]:
    """Reads what a generated file says of itself: a PNG in text chunks, others in EXIF."""
    text = {
        key.removeprefix(_PREFIX): str(value)
        for key, value in image.info.items()
        if isinstance(key, str) and key.startswith(_PREFIX) and value
    }
    exif = image.getexif()
    if text or not str(exif.get(ExifTags.Base.Software, "")).startswith("GanPress "):
        return text
    try:
        fields: Any = json.loads(exif.get(ExifTags.Base.ImageDescription, ""))
    except (TypeError, ValueError, RecursionError):
        return {}
    if not isinstance(fields, dict):
        return {}
    told = cast("dict[str, Any]", fields)
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in told.items() if v != ""}


def _origin(data: bytes) -> dict[str, str]:
    """Reads what names the image in a seed file."""
    origin = read_origin(data)
    fields = {"digest": origin.model_digest, "label": origin.label, "seed": str(origin.seed)}
    return {name: value for name, value in fields.items() if value} | {"truncation": str(origin.truncation)}


def _dct_settings(payload: bytes) -> dict[str, Any]:
    """Reads the flags and the quantiser's step, the first two bytes (docs/codecs/dct.md)."""
    flags, index = payload[:2]
    return {
        "color_space": "ycbcr" if flags & 1 else "rgb",
        "subsampling": "420" if flags & 2 else "444",
        "step": round(2 ** (index / 24) / 4, 2),
    }


def _packed_settings(payload: bytes) -> dict[str, Any]:
    return {"k": packing.entries_of(payload), "pack": True}


def _repack_settings(payload: bytes) -> dict[str, Any]:
    return {"jpeg_bytes": repack.jpeg_bytes(payload)}


_CONTAINER_SETTINGS = {"dct": _dct_settings, "kmeans": _packed_settings, "repack": _repack_settings}


def _kmeans_settings(image: Image.Image, _: bytes) -> dict[str, Any]:
    return {"k": len(image.getpalette("RGB") or []) // 3}


def _jpeg_settings(image: Image.Image, _: bytes) -> dict[str, Any]:
    subsampling = _SUBSAMPLINGS.get(JpegImagePlugin.get_sampling(image), "other")
    return {"subsampling": subsampling, "progressive": bool(image.info.get("progressive"))}


def _webp_settings(_: Image.Image, data: bytes) -> dict[str, Any]:
    return {"lossless": b"VP8L" in data[12:64]}


def _tiff_settings(image: Image.Image, _: bytes) -> dict[str, Any]:
    return {"compression": image.info.get("compression", "raw")}


_SETTINGS: dict[str, Callable[[Image.Image, bytes], dict[str, Any]]] = {
    "kmeans": _kmeans_settings,
    "jpeg": _jpeg_settings,
    "webp": _webp_settings,
    "tiff": _tiff_settings,
    "tga": _tiff_settings,
}

"""What an image file says about itself, read from its header without decoding it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from PIL import ExifTags, Image, JpegImagePlugin

from client.errors import InputError
from services.compressor.codecs import DEFAULT_MAX_PIXELS, CodecError, CorruptDataError, identify
from services.compressor.codecs import container as ganpress_file
from services.compressor.codecs.container import Container
from services.compressor.codecs.dct.header import unpack_payload
from services.compressor.codecs.dct.priors import PRIORS
from services.compressor.codecs.dct.steps import STEPS_PER_OCTAVE
from services.compressor.codecs.files import container_codec
from services.compressor.codecs.kmeans import packing
from services.compressor.codecs.reading import check_png, open_image
from services.compressor.codecs.repack import jpeg_bytes
from services.compressor.codecs.seed import SeedCodec, read_origin

_PREFIX = "ganpress:"
_SAMPLES = {"P": 3, "CMYK": 4, "LA": 2, "RGBA": 4, "RGB": 3}
_KINDS = {
    "1": "1-bit",
    "L": "grey",
    "LA": "grey with transparency",
    "P": "palette",
    "PA": "palette with transparency",
    "I;16": "16-bit grey",
    "I;16B": "16-bit grey",
    "I;16L": "16-bit grey",
    "I": "32-bit",
    "F": "floating-point",
}
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
    samples: str
    """Kind of the samples: "RGB", "CMYK", "palette", "16-bit grey", "1-bit" ..."""
    frames: int
    """Frames of an animation, or pages."""
    size_bytes: int
    """Size of the file."""
    bits_per_pixel: float
    """8 x size_bytes / (width_px x height_px)."""
    checksum: str
    """Whether the file's own checksums match: "ok", "mismatch", or "none" for formats without."""
    settings: dict[str, Any]
    """Settings that the file still shows."""
    metadata: dict[str, int]
    """Bytes of the colour profile, EXIF and XMP, of those that are there."""
    orientation: int
    """How the image has to be turned, as EXIF counts it: 1 is upright."""
    provenance: dict[str, str]
    """Model, version, digest, label, seed and truncation of a generated image."""

    @property
    def is_sound(self) -> bool:
        """Tells that no checksum is wrong."""
        return self.checksum != "mismatch"


def inspect_image(data: bytes) -> Inspection:
    """Returns what an image file says about itself.

    Of a damaged container the header is told as it is.

    Raises:
        InputError: It is no image that GanPress reads.
    """
    try:
        if ganpress_file.is_container(data):
            return _inspect_container(data)
        codec = identify(data)
        with open_image(data) as image:
            return _inspect_file(codec, image, data)
    except CodecError as error:
        raise InputError(str(error)) from error


def _inspect_container(data: bytes) -> Inspection:
    header = ganpress_file.peek(data)
    codec, settings, origin = container_codec(header.codec), dict[str, Any](), dict[str, str]()
    if header.is_sound:
        codec = identify(data)
        if codec == SeedCodec.id:
            origin = _origin(data)
        else:
            settings = _CONTAINER_SETTINGS[codec](ganpress_file.unpack(data, max_pixels=DEFAULT_MAX_PIXELS))
    return Inspection(
        codec=codec,
        width_px=header.width_px,
        height_px=header.height_px,
        channels=header.channels,
        samples={1: "grey", 3: "RGB", 4: "RGBA"}.get(header.channels, "unknown"),
        frames=1,
        size_bytes=len(data),
        bits_per_pixel=_rate(data, header.width_px, header.height_px),
        checksum="ok" if header.is_sound else "mismatch",
        settings=settings,
        metadata={},
        orientation=1,
        provenance=origin,
    )


def _inspect_file(codec: str, image: Image.Image, data: bytes) -> Inspection:
    checksum = _png_checksum(data) if image.format == "PNG" else "none"
    # Pillow reads a PNG to its end for this, which a damaged one does not allow.
    exif = image.getexif() if checksum != "mismatch" else Image.Exif()
    parts = {
        "icc": image.info.get("icc_profile"),
        "exif": image.info.get("exif") or (exif.tobytes() if len(exif) else None),
        "xmp": image.info.get("xmp") or image.info.get("XML:com.adobe.xmp"),
    }
    orientation = exif.get(ExifTags.Base.Orientation, 1)
    return Inspection(
        codec=codec,
        width_px=image.width,
        height_px=image.height,
        channels=_SAMPLES.get(image.mode, 1),
        samples=_KINDS.get(image.mode, image.mode),
        frames=getattr(image, "n_frames", 1),
        size_bytes=len(data),
        bits_per_pixel=_rate(data, image.width, image.height),
        checksum=checksum,
        settings=_SETTINGS[codec](image, data) if codec in _SETTINGS else {},
        metadata={name: len(part) for name, part in parts.items() if part},
        orientation=orientation if orientation in range(1, 9) else 1,
        provenance=_provenance(image, exif),
    )


def _rate(data: bytes, width_px: int, height_px: int) -> float:
    return 8 * len(data) / max(width_px * height_px, 1)


def _png_checksum(data: bytes) -> str:
    try:
        check_png(data)
    except CorruptDataError:
        return "mismatch"
    return "ok"


def _provenance(image: Image.Image, exif: Image.Exif) -> dict[str, str]:
    """Reads what a generated file says of itself: a PNG in text chunks, others in EXIF."""
    text = {
        key.removeprefix(_PREFIX): str(value)
        for key, value in image.info.items()
        if isinstance(key, str) and key.startswith(_PREFIX) and value
    }
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


def _dct_settings(file: Container) -> dict[str, Any]:
    header, _, _ = unpack_payload(file.payload, channels=file.channels, priors=len(PRIORS))
    return {
        "color_space": "ycbcr" if header.is_ycbcr else "rgb",
        "subsampling": "420" if header.is_halved else "444",
        "step": round(2 ** (header.quantiser.index / STEPS_PER_OCTAVE) / 4, 2),
    }


def _packed_settings(file: Container) -> dict[str, Any]:
    return {"k": packing.entries_of(file.payload), "pack": True}


def _repack_settings(file: Container) -> dict[str, Any]:
    return {"jpeg_bytes": jpeg_bytes(file.payload)}


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

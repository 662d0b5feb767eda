"""Image files through Pillow, with limits and clear refusals."""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from services.compressor.codecs.base import Pixels
from services.compressor.codecs.container import check_pixels
from services.compressor.codecs.errors import (
    CodecError,
    CorruptDataError,
    TooManyPixelsError,
    UnsupportedImageError,
)

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "JPEG2000", "TIFF", "GIF", "BMP", "TGA")
"""Formats read, by Pillow's names; TGA has no magic number and comes last."""

# What Pillow warns about, broken metadata and many pixels, is here either an error or of no matter.
warnings.filterwarnings("ignore", module=r"PIL\.")

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by its EXIF orientation."""


@contextmanager
def open_image(data: bytes, formats: tuple[str, ...] = FORMATS) -> Generator[Image.Image]:
    """Opens an image file; only its header is read.

    Raises:
        CorruptDataError: The bytes are no image of these formats, or reading it in the context failed.
        TooManyPixelsError: It has so many pixels that Pillow refuses to look at it.
    """
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            yield image
    except CodecError:
        raise
    except UnidentifiedImageError:
        if "TIFF" in formats and (samples := _tiff_samples(data)):
            raise UnsupportedImageError(
                f"a TIFF of {samples} is not supported; 8 and 16 bits grey, RGB or CMYK are"
            ) from None
        what = f"{len(data)} bytes beginning with {data[:8].hex(' ')}" if data else "no data at all"
        raise CorruptDataError(
            f"not an image, or too little of one: {what}; expected {', '.join(formats)} or GanPress"
        ) from None
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise TooManyPixelsError(
            f"the image has more than {limit} pixels, far more than are accepted"
        ) from None
    except MemoryError:
        raise
    except Exception as error:
        # Pillow's parsers end in many ways on broken files: OSError, SyntaxError, struct.error, KeyError ...
        raise CorruptDataError(f"the image is truncated or broken: {error}") from error


def read_pixels(data: bytes, max_pixels: int, formats: tuple[str, ...] = FORMATS) -> Pixels:
    """Decodes an image file of these formats; `files.decode` says what becomes of each kind."""
    with open_image(data, formats) as image:
        check_pixels(image.width, image.height, max_pixels)
        # An MPO's further pictures are previews and views that cameras add to a photograph.
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if frames > 1:
            raise UnsupportedImageError(
                f"the {image.format} file holds {frames} frames or pages; a codec takes one image"
            )
        if image.format == "PNG":
            check_png(data)
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        image.load()
        # Pillow turns TIFFs itself while it loads them.
        upright = None if image.format == "TIFF" else UPRIGHT.get(orientation or 1)
        return _pixels_of(image.transpose(upright) if upright is not None else image)


def check_png(data: bytes) -> None:
    """Makes sure that every chunk of a PNG has its checksum; Pillow does not look at those of the image data.

    Raises:
        CorruptDataError: One has not, or the file ends before its end mark.
    """
    start = 8
    while start + 12 <= len(data):
        name, end = data[start + 4 : start + 8], start + 8 + int.from_bytes(data[start : start + 4], "big")
        if data[end : end + 4] != zlib.crc32(memoryview(data)[start + 4 : end]).to_bytes(4, "big"):
            raise CorruptDataError(
                f"the PNG was truncated or altered: its chunk at byte {start} does not have its checksum"
            )
        if name == b"IEND":
            return
        start = end + 4
    raise CorruptDataError(
        f"the PNG was truncated or altered: it ends at byte {len(data)} without its end mark"
    )


def _tiff_samples(data: bytes) -> str | None:
    """Returns the kind of the samples of a TIFF in words; None when it is none or its tags cannot be read."""
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return None
    file = io.BytesIO(data)
    try:
        tags: Any = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
        file.seek(tags.next)
        tags.load(file)
        bits, kinds = (
            tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,)),
            tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,)),
        )
        count = int(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1))
        kind = {2: "signed ", 3: "floating-point "}.get(kinds[0], "")
        return f"{count} {kind}samples of {max(bits)} bits a pixel"
    except Exception:  # noqa: BLE001 - as above: broken tags end in many ways
        return None


def _pixels_of(image: Image.Image) -> Pixels:
    if image.mode.startswith("I;16"):
        grey = np.asarray(image)
        return (grey >> 8).astype(np.uint8)[..., np.newaxis]
    if image.mode in ("I", "F", "LAB"):
        kind = {"I": "32-bit", "F": "floating-point", "LAB": "CIE L*a*b*"}[image.mode]
        raise UnsupportedImageError(f"{kind} samples are not supported; 8 and 16 bits grey, RGB or CMYK are")
    opaque_mode = "L" if image.mode in ("1", "L") else "RGB"
    mode = "RGBA" if image.has_transparency_data else opaque_mode
    pixels = np.asarray(image.convert(mode))
    return pixels.reshape(image.height, image.width, -1)

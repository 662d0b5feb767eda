"""Decodes one raw image to the square array that training sees, or says why it cannot be used."""

from __future__ import annotations

import io
from pathlib import PurePosixPath

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from trainer.data.errors import UnusableError
from trainer.data.raw import RawImage

MIN_SIDE_PX = 24
"""Smaller images are left out: they have too little in them to learn from."""
MAX_PIXELS = 50_000_000
"""Larger images are left out before they are decoded."""
MIN_CONTRAST = 3.0
"""Images whose grey levels have a smaller standard deviation are left out as blank."""

_JUNK_NAMES = {".ds_store", "_ds_store", "thumbs.db", "desktop.ini"}
_NO_IMAGE_SUFFIXES = {".csv", ".json", ".txt", ".md", ".mat", ".xml", ".cls", ".html", ".toml", ".yaml"}


def decode(raw: RawImage, size_px: int, channels: int) -> np.ndarray:
    """Returns the image as uint8 [C, S, S], 0..255, upright, resized once (Lanczos) to the square.

    It is squeezed, and cut to its box alone: a car keeps both its ends. Transparent parts become white.

    Args:
        raw: file to decode, to its last byte.
        size_px: S.
        channels: C, 1 grey or 3 RGB.

    Raises:
        UnusableError: it is no image, broken, too large, too small, or blank.
    """
    image = _cut(_open(raw, channels), raw.box_px)
    if min(image.size) < MIN_SIDE_PX:
        raise UnusableError(f"smaller than {MIN_SIDE_PX} px", f"{image.width}x{image.height}")
    image = image.resize((size_px, size_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if (contrast := np.asarray(image.convert("L")).std()) < MIN_CONTRAST:
        raise UnusableError("blank", f"standard deviation of {contrast:.1f} grey levels")
    return np.asarray(image).reshape(size_px, size_px, channels).transpose(2, 0, 1)


def check_name(name: str) -> None:
    """Raises UnusableError when the file at path `name` cannot be meant as an image."""
    path = PurePosixPath(name)
    if path.name.lower() in _JUNK_NAMES or path.name.startswith("._"):
        raise UnusableError("junk file of an operating system")
    if path.suffix.lower() in _NO_IMAGE_SUFFIXES:
        raise UnusableError("no image by its name")


def _open(raw: RawImage, channels: int) -> Image.Image:
    if raw.data is None:
        raise UnusableError("photo missing")
    try:
        with Image.open(io.BytesIO(raw.data)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise UnusableError(f"more than {MAX_PIXELS} pixels", f"{opened.width}x{opened.height}")
            return _flat(ImageOps.exif_transpose(opened)).convert("L" if channels == 1 else "RGB")
    except UnidentifiedImageError as error:
        raise UnusableError("not an image") from error
    except Image.DecompressionBombError as error:
        raise UnusableError(f"more than {MAX_PIXELS} pixels") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UnusableError("broken image", str(error)) from error


def _flat(image: Image.Image) -> Image.Image:
    """Returns the image without transparency and with 8 bits a channel."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, rgba)
    return image


def _cut(image: Image.Image, box_px: tuple[int, int, int, int] | None) -> Image.Image:
    if box_px is None:
        return image
    left, top, right, bottom = box_px
    box_px = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
    if box_px[0] >= box_px[2] or box_px[1] >= box_px[3]:
        raise UnusableError("box outside its photo", f"box {left},{top},{right},{bottom}")
    return image.crop(box_px)

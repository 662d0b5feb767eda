"""GIF through Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from services.compressor.codecs.base import Pixels
from services.compressor.codecs.errors import UnsupportedImageError
from services.compressor.codecs.options import flag, whole
from services.compressor.codecs.pillow_codec import PillowCodec
from services.compressor.codecs.registry import list_codecs, register


@register
@dataclass(frozen=True)
class Gif(PillowCodec):
    """GIF89a: a palette and LZW. An image of few enough colours keeps them exactly.

    Otherwise Pillow's median cut chooses them. A pixel is opaque or fully transparent: an image with
    anything between is refused.
    """

    id = "gif"
    description = "GIF with a palette by median cut."
    media_type = "image/gif"
    file_extension = ".gif"
    is_lossless = False
    channels = (3,)  # and transparency that is on or off
    pillow_format = "GIF"
    max_side_px = 65535

    colors: int = whole(256, 2, 256, "Number of colours; a transparent one is among them.")
    dither: bool = flag(False, "Dithering by Floyd and Steinberg, where colours are lost.")

    def _check_image(self, image: Pixels) -> None:
        super()._check_image(image)
        if image.shape[2] == 4 and not np.isin(image[..., 3], (0, 255)).all():
            keeping = ", ".join(codec.id for codec in list_codecs() if 4 in codec.channels)
            raise UnsupportedImageError(
                f"gif cannot keep pixels that are half transparent; these can: {keeping}"
            )

    def _prepared(self, image: Pixels) -> Image.Image:
        opaque = image[..., 3] > 127 if image.shape[2] == 4 else np.ones(image.shape[:2], bool)
        is_opaque = image.shape[2] < 4
        rgb = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image[..., :3]
        colors = self.colors if is_opaque else self.colors - 1
        exact = np.unique(rgb[opaque], axis=0)
        if len(exact) <= colors:
            picture = _indexed(rgb, opaque, exact)
        else:
            dither = Image.Dither.FLOYDSTEINBERG if self.dither else Image.Dither.NONE
            filled = np.where(opaque[..., np.newaxis], rgb, exact[0])
            picture = _quantized(Image.fromarray(filled), colors, dither)
        if is_opaque:
            return picture
        indices = np.where(opaque, np.asarray(picture), np.uint8(colors))
        palette = (picture.getpalette() or [])[: 3 * colors]
        picture = Image.fromarray(indices)
        picture.putpalette([*palette, *[0] * (3 * (colors + 1) - len(palette))])
        picture.info["transparency"] = colors
        return picture

    def _save_options(self) -> dict[str, Any]:
        return {"optimize": False, "interlace": 0}


def _quantized(picture: Image.Image, colors: int, dither: Image.Dither) -> Image.Image:
    """Returns an indexed picture; Pillow dithers only towards a palette that exists."""
    palette = picture.quantize(colors, Image.Quantize.MEDIANCUT)
    return picture.quantize(palette=palette, dither=dither)


def _indexed(rgb: Pixels, opaque: npt.NDArray[np.bool_], colors: Pixels) -> Image.Image:
    """Returns an indexed picture of these colours, sorted, which are all that the opaque pixels have."""
    weights = np.array([65536, 256, 1], np.int32)
    packed, known = rgb.astype(np.int32) @ weights, colors.astype(np.int32) @ weights
    indices = np.where(opaque, np.searchsorted(known, packed), 0).astype(np.uint8)
    picture = Image.fromarray(indices)
    picture.putpalette(colors.tobytes() or bytes(3))
    return picture

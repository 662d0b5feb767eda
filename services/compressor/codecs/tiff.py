"""TIFF through libtiff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image

from services.compressor.codecs.extras import Extras
from services.compressor.codecs.options import choice
from services.compressor.codecs.pillow_codec import PillowCodec
from services.compressor.codecs.registry import register

_PREDICTOR_TAG = 317
_XMP_TAG = 700
_TAGS_OF_SAMPLES = (*range(254, 263), *range(273, 280), 284, *range(317, 326), 338, 339)
"""Tags that say how samples are stored: those of another file would be wrong here."""
_HORIZONTAL_DIFFERENCING = 2
_PILLOW_NAMES = {"lzw": "tiff_lzw", "packbits": "packbits", "deflate": "tiff_adobe_deflate"}


@register
@dataclass(frozen=True)
class Tiff(PillowCodec):
    """TIFF 6.0; LZW and DEFLATE work on the differences of neighbouring pixels, PackBits on run lengths."""

    id = "tiff"
    description = "TIFF with LZW, PackBits or DEFLATE, lossless."
    media_type = "image/tiff"
    file_extension = ".tif"
    is_lossless = True
    keeps_metadata = True
    pillow_format = "TIFF"
    max_side_px = 2**31 - 1

    compression: str = choice("lzw", tuple(_PILLOW_NAMES), "Coding of the samples.")

    def _save_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"compression": _PILLOW_NAMES[self.compression]}
        if self.compression != "packbits":  # which has no predictor
            options["tiffinfo"] = {_PREDICTOR_TAG: _HORIZONTAL_DIFFERENCING}
        return options

    def _extra_options(self, extras: Extras) -> dict[str, Any]:
        options = super()._extra_options(extras)
        # EXIF and XMP are tags of a TIFF, and Pillow takes all tags from one place.
        tags = Image.Exif()
        tags.load(options.pop("exif", b""))
        for tag in _TAGS_OF_SAMPLES:
            tags.pop(tag, None)
        tags.update(self._save_options().get("tiffinfo", {}))
        if xmp := options.pop("xmp", None):
            tags[_XMP_TAG] = xmp
        return {**options, "tiffinfo": tags}

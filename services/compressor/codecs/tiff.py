"""TIFF with LZW through libtiff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.compressor.codecs.pillow_codec import PillowCodec
from services.compressor.codecs.registry import register

_PREDICTOR_TAG = 317
_HORIZONTAL_DIFFERENCING = 2


@register
@dataclass(frozen=True)
class Tiff(PillowCodec):
    """TIFF 6.0 with LZW over the differences of neighbouring pixels."""

    id = "tiff"
    description = "TIFF with LZW, lossless."
    media_type = "image/tiff"
    file_extension = ".tif"
    is_lossless = True
    pillow_format = "TIFF"
    max_side_px = 2**31 - 1

    def _save_options(self) -> dict[str, Any]:
        return {"compression": "tiff_lzw", "tiffinfo": {_PREDICTOR_TAG: _HORIZONTAL_DIFFERENCING}}

"""PNG through zlib."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import PngImagePlugin

from services.compressor.codecs.extras import Extras
from services.compressor.codecs.options import whole
from services.compressor.codecs.pillow_codec import PillowCodec
from services.compressor.codecs.registry import register


@register
@dataclass(frozen=True)
class Png(PillowCodec):
    """PNG with 8 bits a sample."""

    id = "png"
    description = "PNG, lossless."
    media_type = "image/png"
    file_extension = ".png"
    is_lossless = True
    keeps_metadata = True
    keeps_frames = True
    pillow_format = "PNG"
    max_side_px = 2**31 - 1

    compress_level: int = whole(6, 0, 9, "DEFLATE level, 0 (stored) to 9 (small).")

    def _save_options(self) -> dict[str, Any]:
        return {"compress_level": self.compress_level}

    def _extra_options(self, extras: Extras) -> dict[str, Any]:
        options = super()._extra_options(extras)
        if xmp := options.pop("xmp", None):
            options["pnginfo"] = texts = PngImagePlugin.PngInfo()
            texts.add_itxt("XML:com.adobe.xmp", xmp.decode(errors="replace"))
        return options

"""TGA with run lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.compressor.codecs.pillow_codec import PillowCodec
from services.compressor.codecs.registry import register


@register
@dataclass(frozen=True)
class Tga(PillowCodec):
    """Truevision TGA 2.0 with run-length coding; small on flat graphics only."""

    id = "tga"
    description = "TGA with run lengths, lossless."
    media_type = "image/x-tga"
    file_extension = ".tga"
    is_lossless = True
    pillow_format = "TGA"
    max_side_px = 65535

    def _save_options(self) -> dict[str, Any]:
        return {"compression": "tga_rle"}

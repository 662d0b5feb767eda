"""WebP through libwebp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.compressor.codecs.options import flag, whole
from services.compressor.codecs.pillow_codec import PillowCodec
from services.compressor.codecs.registry import register


@register
@dataclass(frozen=True)
class Webp(PillowCodec):
    """WebP; has no grey images: these come back as RGB, as opaque RGBA images do."""

    id = "webp"
    description = "WebP, lossy or lossless."
    media_type = "image/webp"
    file_extension = ".webp"
    is_lossless = False
    channels = (3, 4)
    keeps_metadata = True
    keeps_frames = True
    pillow_format = "WEBP"
    max_side_px = 16383

    quality: int = whole(80, 0, 100, "Quality; when lossless, the effort.")
    lossless: bool = flag(False, "Without loss.")
    method: int = whole(4, 0, 6, "Effort, 0 (fast) to 6 (small).")
    alpha_quality: int = whole(100, 0, 100, "Quality of the transparency; 100 keeps it.")

    def _save_options(self) -> dict[str, Any]:
        # Without `exact`, the colour of transparent pixels would be lost even when lossless.
        return {
            "quality": self.quality,
            "lossless": self.lossless,
            "method": self.method,
            "alpha_quality": self.alpha_quality,
            "exact": self.lossless,
        }

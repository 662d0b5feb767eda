"""AVIF through libavif."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.compressor.codecs.options import choice, whole
from services.compressor.codecs.pillow_codec import PillowCodec
from services.compressor.codecs.registry import register


@register
@dataclass(frozen=True)
class Avif(PillowCodec):
    """AVIF; Pillow writes no grey ones, these come back as RGB."""

    id = "avif"
    description = "AVIF (AV1 still picture)."
    media_type = "image/avif"
    file_extension = ".avif"
    is_lossless = False
    channels = (3, 4)
    keeps_metadata = True
    keeps_frames = True
    pillow_format = "AVIF"
    max_side_px = 32768

    quality: int = whole(65, 0, 100, "Quality.")
    speed: int = whole(6, 0, 10, "Speed, 0 (small) to 10 (fast).")
    subsampling: str = choice("420", ("444", "422", "420"), "Chroma resolution.")

    def _save_options(self) -> dict[str, Any]:
        # One thread: the caller has its own pool, and the file may not depend on the machine's cores.
        return {
            "quality": self.quality,
            "speed": self.speed,
            "subsampling": ":".join(self.subsampling),
            "max_threads": 1,
        }

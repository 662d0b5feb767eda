"""JPEG through libjpeg-turbo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.compressor.codecs.base import Pixels
from services.compressor.codecs.errors import UnsupportedImageError
from services.compressor.codecs.options import choice, flag, whole
from services.compressor.codecs.pillow_codec import PillowCodec
from services.compressor.codecs.registry import list_codecs, register


@register
@dataclass(frozen=True)
class Jpeg(PillowCodec):
    """JPEG (ITU-T T.81); keeps no transparency and refuses it rather than lose it."""

    id = "jpeg"
    description = "JPEG by libjpeg-turbo."
    media_type = "image/jpeg"
    file_extension = ".jpg"
    is_lossless = False
    channels = (1, 3)
    keeps_metadata = True
    pillow_format = "JPEG"
    max_side_px = 65500

    quality: int = whole(85, 1, 100, "Quality.")
    subsampling: str = choice("420", ("444", "422", "420"), "Chroma resolution.")
    progressive: bool = flag(False, "Progressive scans.")
    optimize: bool = flag(True, "Huffman tables made for the image.")

    def _check_image(self, image: Pixels) -> None:
        super()._check_image(image)
        if image.shape[2] == 4:
            keeping = ", ".join(codec.id for codec in list_codecs() if 4 in codec.channels)
            raise UnsupportedImageError(f"jpeg cannot keep the image's transparency; these can: {keeping}")

    def _save_options(self) -> dict[str, Any]:
        return {
            "quality": self.quality,
            "subsampling": ":".join(self.subsampling),
            "progressive": self.progressive,
            "optimize": self.optimize,
        }

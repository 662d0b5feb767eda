"""JPEG 2000 through OpenJPEG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.compressor.codecs.errors import InvalidOptionError
from services.compressor.codecs.options import real
from services.compressor.codecs.pillow_codec import PillowCodec
from services.compressor.codecs.registry import register


@register
@dataclass(frozen=True)
class Jpeg2000(PillowCodec):
    """JPEG 2000 (ITU-T T.800) in a JP2 file; lossless unless it is given a ratio or a PSNR to aim at."""

    id = "jpeg2000"
    description = "JPEG 2000, lossless unless ratio or psnr_db is given."
    media_type = "image/jp2"
    file_extension = ".jp2"
    is_lossless = True
    pillow_format = "JPEG2000"
    max_side_px = 2**31 - 1

    ratio: float | None = real(
        None,
        "1 to 1000000",
        lambda value: 1 <= value <= 1_000_000,
        "Compression ratio aimed at; 1 is nearly lossless.",
    )
    psnr_db: float | None = real(
        None, "above 0, at most 200", lambda value: 0 < value <= 200, "PSNR aimed at in dB; not with ratio."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ratio is not None and self.psnr_db is not None:
            raise InvalidOptionError(
                f"jpeg2000 takes ratio or psnr_db, not both (ratio {self.ratio:g}, psnr_db {self.psnr_db:g})"
            )

    def _save_options(self) -> dict[str, Any]:
        # Luma and colour differences instead of RGB; OpenJPEG passes over it in grey images.
        common = {"mct": 1}
        if self.ratio is not None:
            return {**common, "irreversible": True, "quality_mode": "rates", "quality_layers": [self.ratio]}
        if self.psnr_db is not None:
            return {**common, "irreversible": True, "quality_mode": "dB", "quality_layers": [self.psnr_db]}
        return {**common, "irreversible": False}

"""How a file is to be read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.compressor.codecs import Codec, InvalidOptionError, list_codecs

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Wishes:
    """What becomes of all that is not the samples of one frame."""

    keeps_profile: bool = False
    """The ICC profile goes along; else the colours are converted to sRGB."""
    keeps_metadata: bool = False
    """EXIF and XMP go along."""
    takes_all_frames: bool = False
    """All frames or pages are taken; else the first."""
    background: str = ""
    """Colour "#rrggbb" that transparent images are laid on; empty keeps the transparency."""
    holds_grey: bool = True
    """Whether what is written holds grey samples; a grey profile cannot go along else."""
    holds_alpha: bool = True
    """Whether what is written holds transparency; a wholly opaque one is left out else."""

    def __post_init__(self) -> None:
        if self.background and not _COLOR.fullmatch(self.background):
            raise InvalidOptionError(
                f"background takes a colour such as #ffffff, or nothing, not {self.background!r}"
            )

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        """The background's samples."""
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue

    def check(self, codec: type[Codec]) -> None:
        """Checks that a codec can do as wished.

        Raises:
            InvalidOptionError: It cannot; the message names those that can.
        """
        if (self.keeps_profile or self.keeps_metadata) and not codec.keeps_metadata:
            what = "colour profiles" if self.keeps_profile else "metadata"
            able = ", ".join(other.id for other in list_codecs() if other.keeps_metadata)
            raise InvalidOptionError(f"{codec.id} cannot keep {what}; these can: {able}")
        if self.takes_all_frames and not codec.keeps_frames:
            able = ", ".join(other.id for other in list_codecs() if other.keeps_frames)
            raise InvalidOptionError(f"{codec.id} cannot keep all frames of an animation; these can: {able}")

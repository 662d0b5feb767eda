"""What goes along with the samples in a file of those formats that can hold it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extras:
    """Everything beside the samples that a codec can be asked to keep."""

    icc_profile: bytes | None = None
    """ICC colour profile of the samples."""
    exif: bytes | None = None
    """EXIF block behind its prefix of six bytes."""
    xmp: bytes | None = None
    """XMP packet."""

    def __bool__(self) -> bool:
        """Tells whether there is anything."""
        return any((self.icc_profile, self.exif, self.xmp))

    def names(self) -> str:
        """Returns what there is, for a sentence."""
        named = (("a colour profile", self.icc_profile), ("EXIF", self.exif), ("XMP", self.xmp))
        return ", ".join(name for name, value in named if value)

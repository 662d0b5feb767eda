"""What a request for compression may ask for beside its codec: a goal, and how files are read."""

from __future__ import annotations

import math
from typing import Literal

from ganpress.v1.goal_pb2 import Goal
from ganpress.v1.input_pb2 import (
    COLOR_PROFILE_CONVERT,
    COLOR_PROFILE_KEEP,
    FRAMES_ALL,
    FRAMES_FIRST,
    METADATA_KEEP,
    METADATA_STRIP,
    ColorProfile,
    Frames,
    InputOptions,
    Metadata,
)

from client.errors import InputError

ProfileWord = Literal["convert", "keep"]
"""What becomes of an ICC profile: the colours are converted to sRGB, or it goes along."""
MetadataWord = Literal["strip", "keep"]
"""What becomes of EXIF and XMP."""
FramesWord = Literal["first", "all"]
"""Which frames of an animation or pages of a document are taken."""

_PROFILES: dict[ProfileWord, ColorProfile.ValueType] = {
    "convert": COLOR_PROFILE_CONVERT,
    "keep": COLOR_PROFILE_KEEP,
}
_METADATA: dict[MetadataWord, Metadata.ValueType] = {"strip": METADATA_STRIP, "keep": METADATA_KEEP}
_FRAMES: dict[FramesWord, Frames.ValueType] = {"first": FRAMES_FIRST, "all": FRAMES_ALL}


def goal(
    *,
    target_bytes: int | None = None,
    target_bpp: float | None = None,
    target_psnr_db: float | None = None,
    target_ssim: float | None = None,
    target_ssimulacra2: float | None = None,
) -> Goal | None:
    """Returns the message for a goal, None when none is given.

    Args:
        target_bytes: Most bytes of the file, at least 1.
        target_bpp: Most bits a pixel, above 0.
        target_psnr_db: Least PSNR, above 0, at most 100.
        target_ssim: Least SSIM, above 0, at most 1.
        target_ssimulacra2: Least SSIMULACRA2 score, at most 100.

    Raises:
        InputError: More than one is given, or one is out of range.
    """
    targets: dict[str, tuple[float | None, bool, str]] = {
        "target_bytes": (target_bytes, 1 <= _or(target_bytes, 1) < 2**63, "a whole number of at least 1"),
        "target_bpp": (target_bpp, 0 < _or(target_bpp, 1) < math.inf, "a number above 0"),
        "target_psnr_db": (target_psnr_db, 0 < _or(target_psnr_db, 1) <= 100, "above 0, at most 100"),
        "target_ssim": (target_ssim, 0 < _or(target_ssim, 1) <= 1, "above 0, at most 1"),
        "target_ssimulacra2": (
            target_ssimulacra2,
            -math.inf < _or(target_ssimulacra2, 1) <= 100,
            "a number of at most 100",
        ),
    }
    given = {name: value for name, (value, _, _) in targets.items() if value is not None}
    if len(given) > 1:
        raise InputError(f"one goal at a time, not {' and '.join(given)}")
    for name, value in given.items():
        _, is_accepted, accepts = targets[name]
        if not is_accepted:
            raise InputError(f"{name} takes {accepts}, not {value}")
    message = Goal()
    for name, value in given.items():
        setattr(message, name, value)
    return message if given else None


def input_options(
    *,
    color_profile: ProfileWord = "convert",
    metadata: MetadataWord = "strip",
    frames: FramesWord = "first",
    background: str = "",
) -> InputOptions:
    """Returns the message for how files are read.

    Args:
        color_profile: What becomes of an ICC profile.
        metadata: What becomes of EXIF and XMP.
        frames: Which frames are taken.
        background: Colour "#rrggbb" that transparent images are laid on; empty keeps transparency.
    """
    return InputOptions(
        color_profile=_PROFILES[color_profile],
        metadata=_METADATA[metadata],
        frames=_FRAMES[frames],
        background=background,
    )


def _or(value: float | None, other: float) -> float:
    return other if value is None else value

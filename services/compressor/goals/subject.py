"""What is compressed, and how its files are measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from services.compressor.codecs import (
    DEFAULT_MAX_PIXELS,
    Codec,
    MissingPackageError,
    Pixels,
    psnr,
    resized,
    ssim,
    ssimulacra2,
)
from services.compressor.goals.goal import Goal, GoalError

Judge = Literal["psnr", "ssim", "ssimulacra2"]
"""A measure of quality; more is better."""


def _go_on() -> None:
    """Is asked before each encode; raises to stop."""


@dataclass(frozen=True)
class Subject:
    """An image, or the frames of one, with the way to its files and back."""

    frames: tuple[Pixels, ...]
    """The frames, at least one, all of one size."""
    encode: Callable[[Codec], bytes]
    """Writes a file."""
    decode: Callable[[Codec, bytes], tuple[Pixels, ...]]
    """Gives back the frames of such a file."""
    go_on: Callable[[], None] = field(default=_go_on)
    """Is called before each encode; what it raises ends the search."""

    @classmethod
    def of(cls, image: Pixels, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Subject:
        """Returns one image as the codecs take it."""
        return cls(
            (image,),
            lambda codec: codec.encode(image),
            lambda codec, data: (codec.decode(data, max_pixels=max_pixels),),
        )

    @property
    def pixels(self) -> int:
        """Pixels of all frames."""
        return sum(frame.shape[0] * frame.shape[1] for frame in self.frames)

    def reached(self, goal: Goal, codec: Codec, data: bytes) -> float:
        """Returns what a file has of what the goal limits.

        Raises:
            GoalError: The image has no such measure.
        """
        if goal.kind == "bytes":
            return len(data)
        if goal.kind == "bpp":
            return 8 * len(data) / self.pixels
        return self.quality("psnr" if goal.kind == "psnr_db" else goal.kind, codec, data)

    def quality(self, judge: Judge, codec: Codec, data: bytes) -> float:
        """Returns the quality of a file.

        Raises:
            GoalError: The image is too small for the measure.
        """
        value = self.compare(judge, self.decode(codec, data))
        if value is None:
            height_px, width_px = self.frames[0].shape[:2]
            least_px = 7 if judge == "ssim" else 128
            raise GoalError(
                f"an image of {width_px} x {height_px} pixels has no {judge.upper()}: "
                f"it needs sides of at least {least_px} pixels; a PSNR can be the goal"
            )
        return value

    def compare(self, judge: Judge, decoded: tuple[Pixels, ...]) -> float | None:
        """Returns the quality of decoded frames; None when the image is too small for the measure.

        Of several frames it is the mean, of PSNR that of all samples together. Frames that were encoded
        smaller are scaled back.
        """
        height_px, width_px = self.frames[0].shape[:2]
        pairs = [
            (frame, resized(other, width_px, height_px))
            for frame, other in zip(self.frames, decoded, strict=True)
        ]
        if judge == "psnr":
            errors = [10 ** (-psnr(frame, other) / 10) for frame, other in pairs]
            return -10 * math.log10(np.mean(errors)) if any(errors) else math.inf
        measure = {"ssim": ssim, "ssimulacra2": ssimulacra2}[judge]
        values = [value for frame, other in pairs if (value := measure(frame, other)) is not None]
        return float(np.mean(values)) if values else None

    def best_judge(self) -> Judge:
        """Returns SSIMULACRA2 where the image has it and its package is installed, PSNR where not."""
        try:
            corner = self.frames[0][:128, :128]
            return "psnr" if ssimulacra2(corner, corner) is None else "ssimulacra2"
        except MissingPackageError:
            return "psnr"

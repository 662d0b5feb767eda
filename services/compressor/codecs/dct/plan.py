"""What a codec's options mean for the encoder."""

from __future__ import annotations

from dataclasses import dataclass

from services.compressor.codecs.dct.steps import Quantiser, index_of_step, step_of_quality


@dataclass(frozen=True)
class Tune:
    """How steps follow the frequency."""

    slope: int
    """How much wider they get, as `Quantiser` counts it."""
    base: float
    """The first step, as a multiple of that of the quality."""

    @classmethod
    def perceptual(cls, height_px: int, width_px: int) -> Tune:
        """Returns what puts coarse steps where eyes notice them least.

        The slopes were found by SSIMULACRA2, and below 128 pixels, where that means nothing, by SSIM: small
        images are looked at closely. The wider base there keeps the sizes of files that a steep slope had.
        """
        return cls(20, 1.0) if min(height_px, width_px) >= 128 else cls(6, 1.3)


PSNR = Tune(0, 1.0)
"""Steps of one width: least squares."""


@dataclass(frozen=True)
class Plan:
    """How to encode a picture."""

    threshold: float | None
    """The study's control; None for quantisation by quality."""
    quality: int
    """1..100; of no meaning with threshold."""
    is_ycbcr: bool
    """Whether to transform luma and colour differences."""
    is_halved: bool
    """Whether to halve the rows and columns of the colour differences."""
    is_fast: bool
    """Whether to leave out what takes time."""
    tune: Tune
    """How steps follow the frequency."""
    is_filtered: bool
    """Whether to look for a filter."""

    @property
    def quantiser(self) -> Quantiser:
        """The steps."""
        if self.threshold is not None:
            return Quantiser(index_of_step(1), 0, 0)
        chroma = 3 if self.is_ycbcr else 0
        step = step_of_quality(self.quality) * self.tune.base
        return Quantiser(index_of_step(step), self.tune.slope, chroma)

    @property
    def largest_level(self) -> int:
        """0, 1 or 2: blocks of up to 8, 16 or 32 samples."""
        return 0 if self.is_fast or self.threshold is not None else 2

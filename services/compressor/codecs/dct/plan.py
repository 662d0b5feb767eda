"""What a codec's options mean for the encoder."""

from __future__ import annotations

from dataclasses import dataclass

from services.compressor.codecs.dct.steps import Quantiser, index_of_step, step_of_quality


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
    is_perceptual: bool
    """Whether coarse steps go where eyes notice them least."""
    is_filtered: bool
    """Whether to look for a filter."""

    @property
    def quantiser(self) -> Quantiser:
        """The steps."""
        if self.threshold is not None:
            return Quantiser(index_of_step(1), 0, 0)
        slope = 26 if self.is_perceptual else 0
        chroma = 3 if self.is_ycbcr else 0
        return Quantiser(index_of_step(step_of_quality(self.quality)), slope, chroma)

    @property
    def largest_level(self) -> int:
        """0, 1 or 2: blocks of up to 8, 16 or 32 samples."""
        return 0 if self.is_fast or self.threshold is not None else 2

"""Peak signal-to-noise ratios."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.base import Pixels
from services.compressor.codecs.metrics.comparing import strips

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-T T.871, full range


def psnr(original: Pixels, decoded: Pixels) -> float:
    """Returns the peak signal-to-noise ratio over all samples in dB; infinity when they are equal."""
    squares = samples = 0
    for a, b in strips(original, decoded, overlap_px=0):
        squares += int(np.square(a.astype(np.int32) - b).sum(dtype=np.int64))
        samples += a.size
    return _decibels(squares, samples)


def psnr_y(original: Pixels, decoded: Pixels) -> float:
    """Returns the peak signal-to-noise ratio of luma (ITU-T T.871, not rounded) in dB.

    Grey is its own luma; transparency does not count.
    """
    squares, samples = 0.0, 0
    for a, b in strips(original, decoded, overlap_px=0):
        squares += float(np.square(_luma(a) - _luma(b)).sum())
        samples += a.shape[0] * a.shape[1]
    return _decibels(squares, samples)


def _luma(image: Pixels) -> npt.NDArray[np.float64]:
    return image[..., 0].astype(np.float64) if image.shape[2] == 1 else np.dot(image[..., :3], _LUMA)


def _decibels(squares: float, samples: int) -> float:
    return 10 * math.log10(255**2 * samples / squares) if squares else math.inf

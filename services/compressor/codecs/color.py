"""RGB and YCbCr by ITU-T T.871 (JFIF), full range, in 16-bit fixed point: the same on every machine."""

from __future__ import annotations

import numpy as np

from services.compressor.codecs.base import Pixels

_HALF = 1 << 15


def rgb_to_ycbcr(rgb: Pixels) -> Pixels:
    """Converts uint8 [..., 3] RGB to uint8 [..., 3] YCbCr, rounded to nearest."""
    r, g, b = (rgb[..., channel].astype(np.int32) for channel in range(3))
    y = (19595 * r + 38470 * g + 7471 * b + _HALF) >> 16
    # One less than half: pure blue and pure red would reach 255.5 and round to 256.
    cb = ((-11059 * r - 21709 * g + 32768 * b + _HALF - 1) >> 16) + 128
    cr = ((32768 * r - 27439 * g - 5329 * b + _HALF - 1) >> 16) + 128
    return np.stack([y, cb, cr], axis=-1).astype(np.uint8)


def ycbcr_to_rgb(ycbcr: Pixels) -> Pixels:
    """Converts uint8 [..., 3] YCbCr to uint8 [..., 3] RGB, rounded to nearest and clipped."""
    y = ycbcr[..., 0].astype(np.int32)
    cb = ycbcr[..., 1].astype(np.int32) - 128
    cr = ycbcr[..., 2].astype(np.int32) - 128
    r = y + ((91881 * cr + _HALF) >> 16)
    g = y + ((-22554 * cb - 46802 * cr + _HALF) >> 16)
    b = y + ((116130 * cb + _HALF) >> 16)
    return np.clip(np.stack([r, g, b], axis=-1), 0, 255).astype(np.uint8)

"""Quality and size of a compressed image.

Two images are compared sample by sample. A grey image beside one in colour counts as three equal
channels; the colour of fully transparent pixels does not count, for nobody sees it.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from services.compressor.codecs.base import Pixels

SSIM_MIN_SIDE_PX = 7


def psnr(original: Pixels, decoded: Pixels) -> float:
    """Returns the peak signal-to-noise ratio over all samples in dB; infinity when they are equal."""
    a, b = _comparable(original, decoded)
    mean_squared_error = np.mean(np.square(a.astype(np.int32) - b), dtype=np.float64)
    if mean_squared_error == 0:
        return math.inf
    return float(10 * np.log10(255**2 / mean_squared_error))


def ssim(original: Pixels, decoded: Pixels) -> float | None:
    """Returns the mean structural similarity (Wang et al. 2004), -1..1, over all channels.

    scikit-image computes it with its default uniform window of 7 x 7 pixels; an image with a shorter side
    has none.
    """
    import skimage.metrics  # takes half a second

    a, b = _comparable(original, decoded)
    if min(a.shape[:2]) < SSIM_MIN_SIDE_PX:
        return None
    return float(cast("Any", skimage.metrics).structural_similarity(a, b, channel_axis=2, data_range=255))


def bits_per_pixel(size_bytes: int, image: Pixels) -> float:
    """Returns the bits that a file of this size spends on each pixel of its image."""
    return 8 * size_bytes / (image.shape[0] * image.shape[1])


def _comparable(original: Pixels, decoded: Pixels) -> tuple[Pixels, Pixels]:
    """Returns both in the same number of channels, with hidden colours cleared."""
    if original.shape[:2] != decoded.shape[:2]:
        raise ValueError(f"images of {original.shape[:2]} and {decoded.shape[:2]} cannot be compared")
    channels = max(original.shape[2], decoded.shape[2])
    return _with_channels(original, channels), _with_channels(decoded, channels)


def _with_channels(image: Pixels, channels: int) -> Pixels:
    if image.shape[2] == 1 and channels > 1:
        image = np.repeat(image, 3, axis=2)
    if image.shape[2] == 3 and channels == 4:
        return np.concatenate([image, np.full((*image.shape[:2], 1), 255, np.uint8)], axis=2)
    if channels == 4:
        return np.where(image[..., 3:] == 0, np.uint8(0), image)
    return image

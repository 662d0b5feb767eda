"""Quality and size of a compressed image.

Two images are compared sample by sample. A grey image beside one in colour counts as three equal
channels; the colour of fully transparent pixels does not count, for nobody sees it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from services.compressor.codecs.base import Pixels

_SSIM_WINDOW_PX = 7
_STRIP_PIXELS = 1 << 18  # compared at a time: bounds memory on large images


def psnr(original: Pixels, decoded: Pixels) -> float:
    """Returns the peak signal-to-noise ratio over all samples in dB; infinity when they are equal."""
    squares = samples = 0
    for a, b in _strips(original, decoded, overlap_px=0):
        squares += int(np.square(a.astype(np.int32) - b).sum(dtype=np.int64))
        samples += a.size
    return 10 * math.log10(255**2 * samples / squares) if squares else math.inf


def ssim(original: Pixels, decoded: Pixels) -> float | None:
    """Returns the mean structural similarity (Wang et al. 2004), -1..1, over all channels.

    It is scikit-image's with its default uniform window of 7 x 7 pixels; an image with a shorter side
    has none.
    """
    import skimage.metrics  # takes half a second

    if min(original.shape[:2]) < _SSIM_WINDOW_PX:
        return None
    margin_px = _SSIM_WINDOW_PX // 2
    total, samples = 0.0, 0
    for a, b in _strips(original, decoded, overlap_px=2 * margin_px):
        _, similarity = cast("Any", skimage.metrics).structural_similarity(
            a, b, win_size=_SSIM_WINDOW_PX, channel_axis=2, data_range=255, full=True
        )
        inner = similarity[margin_px:-margin_px, margin_px:-margin_px]  # whole windows
        total += float(inner.sum())
        samples += inner.size
    return total / samples


def bits_per_pixel(size_bytes: int, image: Pixels) -> float:
    """Returns the bits that a file of this size spends on each pixel of its image."""
    return 8 * size_bytes / (image.shape[0] * image.shape[1])


def _strips(original: Pixels, decoded: Pixels, overlap_px: int) -> Iterator[tuple[Pixels, Pixels]]:
    """Yields runs of rows of both images, in the same number of channels and with hidden colours cleared.

    Neighbouring runs share `overlap_px` rows; each run has more rows than that.
    """
    if original.shape[:2] != decoded.shape[:2]:
        raise ValueError(f"images of {original.shape[:2]} and {decoded.shape[:2]} cannot be compared")
    channels = max(original.shape[2], decoded.shape[2])
    rows = max(1, _STRIP_PIXELS // original.shape[1])
    for start in range(0, original.shape[0] - overlap_px, rows):
        part = slice(start, start + rows + overlap_px)
        yield _with_channels(original[part], channels), _with_channels(decoded[part], channels)


def _with_channels(image: Pixels, channels: int) -> Pixels:
    if image.shape[2] == 1 and channels > 1:
        image = np.repeat(image, 3, axis=2)
    if image.shape[2] == 3 and channels == 4:
        return np.concatenate([image, np.full((*image.shape[:2], 1), 255, np.uint8)], axis=2)
    if channels == 4:
        return np.where(image[..., 3:] == 0, np.uint8(0), image)
    return image

"""Structural similarity, at one scale and at five."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.base import Pixels
from services.compressor.codecs.metrics.comparing import comparable, strips

Plane = npt.NDArray[np.float64]

_SSIM_WINDOW_PX = 7
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_GAUSSIAN_PX, _GAUSSIAN_SIGMA_PX = 11, 1.5
_MS_SSIM_SHORTEST_PX = (_GAUSSIAN_PX - 1) * 2 ** (len(_SCALE_WEIGHTS) - 1) + 1


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
    for a, b in strips(original, decoded, overlap_px=2 * margin_px):
        _, similarity = cast("Any", skimage.metrics).structural_similarity(
            a, b, win_size=_SSIM_WINDOW_PX, channel_axis=2, data_range=255, full=True
        )
        inner = similarity[margin_px:-margin_px, margin_px:-margin_px]  # whole windows
        total += float(inner.sum())
        samples += inner.size
    return total / samples


def ms_ssim(original: Pixels, decoded: Pixels) -> float | None:
    """Returns the multi-scale structural similarity (Wang, Simoncelli and Bovik 2003), 0..1.

    Five scales with the paper's weights, Gaussian windows of 11 x 11 pixels, and the mean over all
    channels; an image with a side under 161 pixels has none.
    """
    if min(original.shape[:2]) < _MS_SSIM_SHORTEST_PX:
        return None
    a, b = comparable(original, decoded)
    planes = [_ms_ssim_of(a[..., c].astype(np.float64), b[..., c]) for c in range(a.shape[2])]
    return float(np.mean(planes))


def _ms_ssim_of(a: Plane, b: npt.NDArray[Any]) -> float:
    b = b.astype(np.float64)
    product = 1.0
    for scale, weight in enumerate(_SCALE_WEIGHTS):
        luminance, contrast = _terms(a, b)
        last = scale == len(_SCALE_WEIGHTS) - 1
        # A negative term has no root: the scale then counts as wholly unlike.
        product *= max((luminance * contrast if last else contrast).mean(), 0.0) ** weight
        if not last:
            a, b = _halved(a), _halved(b)
    return float(product)


def _terms(a: Plane, b: Plane) -> tuple[Plane, Plane]:
    """Returns the luminance term and the contrast-structure term of every whole window."""
    mean_a, mean_b = _blurred(a), _blurred(b)
    variance_a = _blurred(a * a) - mean_a * mean_a
    variance_b = _blurred(b * b) - mean_b * mean_b
    covariance = _blurred(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a * mean_a + mean_b * mean_b + _C1)
    return luminance, (2 * covariance + _C2) / (variance_a + variance_b + _C2)


def _blurred(plane: Plane) -> Plane:
    import scipy.ndimage  # pyright: ignore[reportMissingTypeStubs]

    offsets_px = np.arange(_GAUSSIAN_PX) - _GAUSSIAN_PX // 2
    taps = np.exp(-np.square(offsets_px) / (2 * _GAUSSIAN_SIGMA_PX**2))
    margin_px = _GAUSSIAN_PX // 2
    rows = cast("Any", scipy.ndimage).correlate1d(plane, taps / taps.sum(), axis=0)[margin_px:-margin_px]
    return cast("Any", scipy.ndimage).correlate1d(rows, taps / taps.sum(), axis=1)[:, margin_px:-margin_px]


def _halved(plane: Plane) -> Plane:
    """Returns means of 2 x 2 pixels; before an odd side comes a row or column of zeros, as is usual."""
    padded = np.pad(plane, [(side % 2, 0) for side in plane.shape])
    height_px, width_px = padded.shape
    return padded.reshape(height_px // 2, 2, width_px // 2, 2).mean(axis=(1, 3))

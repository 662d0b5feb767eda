"""Peak signal-to-noise ratios."""

from __future__ import annotations

import math

import numpy as np
import pytest
import skimage.color
import skimage.metrics

from services.compressor.codecs import psnr, psnr_y
from tests.helpers.images import smooth_image


def test_psnr_by_hand() -> None:
    """PSNR is 10 log10(255^2 / mean squared error) over all samples, infinite without a difference."""
    image = smooth_image(16, 16)
    shifted = image.copy()
    shifted[0, 0, 0] ^= 16
    assert psnr(image, image) == math.inf
    assert psnr(image, shifted) == pytest.approx(10 * math.log10(255**2 / (16**2 / image.size)))
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert psnr(black, white) == 0


@pytest.mark.parametrize("size", [(64, 48), (7, 7), (30_000, 40), (40, 30_000)])
def test_ratios_are_scikit_images(size: tuple[int, int]) -> None:
    """Both ratios are scikit-image's for images of any size, which are compared in strips."""
    image, other = smooth_image(*size), smooth_image(*size, seed=1)
    ratio = skimage.metrics.peak_signal_noise_ratio(image, other, data_range=255)
    assert psnr(image, other) == pytest.approx(ratio, rel=1e-12)
    luma, other_luma = (skimage.color.rgb2yuv(rgb)[..., 0] for rgb in (image, other))
    ratio = skimage.metrics.peak_signal_noise_ratio(luma, other_luma, data_range=1)
    assert psnr_y(image, other) == pytest.approx(ratio, abs=1e-4)


def test_luma_alone() -> None:
    """A grey image is its own luma, a change of transparency is no change of luma."""
    grey, other = (smooth_image(16, 16, 1, seed)[..., np.newaxis] for seed in (0, 1))
    assert psnr_y(grey, other) == pytest.approx(psnr(grey, other))
    assert psnr_y(np.repeat(grey, 3, axis=2), other) == pytest.approx(psnr(grey, other))
    image = smooth_image(16, 16, 4)
    opaque = image.copy()
    opaque[..., 3] = 255
    assert psnr_y(np.maximum(image, [[[0, 0, 0, 1]]]).astype(np.uint8), opaque) == math.inf


def test_grey_beside_color() -> None:
    """A grey image equals its three equal channels, and an opaque one its RGB."""
    grey = smooth_image(16, 16, 1)[..., np.newaxis]
    color = np.repeat(grey, 3, axis=2)
    opaque = np.concatenate([color, np.full_like(grey, 255)], axis=2)
    assert psnr(grey, color) == psnr(color, opaque) == psnr(opaque, grey) == math.inf


def test_hidden_colors_do_not_count() -> None:
    """What lies under full transparency is nobody's loss; transparency itself is."""
    image = smooth_image(16, 16, 4)
    image[:8, :, 3] = 0
    other = image.copy()
    other[:8, :, :3] = 0
    assert psnr(image, other) == math.inf
    assert psnr_y(image, other) == math.inf
    other[:8, :, 3] = 1
    assert psnr(image, other) < 60


@pytest.mark.parametrize("metric", [psnr, psnr_y])
def test_sizes_differ(metric: object) -> None:
    """Images of different sizes cannot be compared."""
    with pytest.raises(ValueError, match="cannot be compared"):
        metric(smooth_image(8, 8), smooth_image(8, 9))  # pyright: ignore[reportCallIssue]

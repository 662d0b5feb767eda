"""Quality metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.compressor.codecs import bits_per_pixel, psnr, ssim
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


def test_ssim_range() -> None:
    """SSIM is 1 for the same image, less for another one, and absent for a side under 7 pixels."""
    image = smooth_image(32, 32)
    assert ssim(image, image) == pytest.approx(1)
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 20, image.shape), 0, 255).astype(np.uint8)
    assert -1 <= ssim(image, noisy) < 0.9
    assert ssim(image[:7, :7], image[:7, :7]) == pytest.approx(1)
    assert ssim(image[:6], image[:6]) is None


@pytest.mark.parametrize("size", [(64, 48), (7, 7), (30_000, 40), (40, 30_000)])
def test_large_images_are_compared_in_strips(size: tuple[int, int]) -> None:
    """The metrics are scikit-image's for images of any size and shape."""
    import skimage.metrics

    image = smooth_image(*size)
    other = smooth_image(*size, seed=1)
    whole = skimage.metrics.structural_similarity(image, other, channel_axis=2, data_range=255)
    assert ssim(image, other) == pytest.approx(whole, rel=1e-9)
    ratio = skimage.metrics.peak_signal_noise_ratio(image, other, data_range=255)
    assert psnr(image, other) == pytest.approx(ratio, rel=1e-12)


def test_grey_beside_color() -> None:
    """A grey image equals its three equal channels, and an opaque one its RGB."""
    grey = smooth_image(16, 16, 1)[..., np.newaxis]
    color = np.repeat(grey, 3, axis=2)
    opaque = np.concatenate([color, np.full_like(grey, 255)], axis=2)
    assert psnr(grey, color) == psnr(color, opaque) == psnr(opaque, grey) == math.inf
    assert ssim(grey, color) == pytest.approx(1)


def test_hidden_colors_do_not_count() -> None:
    """What lies under full transparency is nobody's loss; transparency itself is."""
    image = smooth_image(16, 16, 4)
    image[:8, :, 3] = 0
    other = image.copy()
    other[:8, :, :3] = 0
    assert psnr(image, other) == math.inf
    other[:8, :, 3] = 1
    assert psnr(image, other) < 60


def test_sizes_differ() -> None:
    """Images of different sizes cannot be compared."""
    with pytest.raises(ValueError, match="cannot be compared"):
        psnr(smooth_image(8, 8), smooth_image(8, 9))


def test_bits_per_pixel() -> None:
    """Bits per pixel counts pixels, not samples."""
    assert bits_per_pixel(100, smooth_image(20, 10)) == 4

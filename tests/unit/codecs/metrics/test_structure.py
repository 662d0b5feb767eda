"""Structural similarity."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.metrics

from services.compressor.codecs import Pixels, decode, get_codec, ms_ssim, ssim
from tests.helpers.images import smooth_image


def test_ssim_range() -> None:
    """SSIM is 1 for the same image, less for another one, and absent for a side under 7 pixels."""
    image = smooth_image(32, 32)
    assert ssim(image, image) == pytest.approx(1)
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 20, image.shape), 0, 255).astype(np.uint8)
    similarity = ssim(image, noisy)
    assert similarity is not None
    assert -1 <= similarity < 0.9
    assert ssim(image[:7, :7], image[:7, :7]) == pytest.approx(1)
    assert ssim(image[:6], image[:6]) is None


@pytest.mark.parametrize("size", [(64, 48), (7, 7), (30_000, 40), (40, 30_000)])
def test_ssim_is_scikit_images(size: tuple[int, int]) -> None:
    """SSIM is scikit-image's for images of any size, which are compared in strips."""
    image, other = smooth_image(*size), smooth_image(*size, seed=1)
    whole = skimage.metrics.structural_similarity(image, other, channel_axis=2, data_range=255)
    assert ssim(image, other) == pytest.approx(whole, rel=1e-9)


def test_grey_beside_color() -> None:
    """A grey image equals its three equal channels."""
    grey = smooth_image(161, 161, 1)[..., np.newaxis]
    color = np.repeat(grey, 3, axis=2)
    assert ssim(grey, color) == pytest.approx(1)
    assert ms_ssim(grey, color) == pytest.approx(1)


def distorted(image: Pixels, quality: int) -> Pixels:
    """Returns the image after JPEG."""
    return decode(get_codec("jpeg", quality=quality).encode(image))


@pytest.mark.parametrize("size", [(161, 161), (177, 201), (256, 192)])
@pytest.mark.parametrize("quality", [1, 30, 90])
def test_ms_ssim_is_pytorch_msssims(size: tuple[int, int], quality: int) -> None:
    """MS-SSIM is that of pytorch-msssim to 1e-4, for even and odd sides, good and bad images."""
    torch = pytest.importorskip("torch")
    pytorch_msssim = pytest.importorskip("pytorch_msssim")
    image = smooth_image(*size)
    other = distorted(image, quality)
    planes = [
        torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float64)) for pixels in (image, other)
    ]
    peer = pytorch_msssim.ms_ssim(*planes, data_range=255).item()
    assert ms_ssim(image, other) == pytest.approx(peer, abs=1e-4)


def test_ms_ssim_range() -> None:
    """MS-SSIM is 1 for the same image, 0 for its negative, and absent for a side under 161 pixels."""
    image = smooth_image(170, 161)
    assert ms_ssim(image, image) == pytest.approx(1)
    assert ms_ssim(image, 255 - image) == 0
    assert ms_ssim(image[:160], image[:160]) is None

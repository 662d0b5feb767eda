"""The measures of how alike two models' images are, on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from services.generator.engine import OnnxEngine
from services.generator.quantization.fidelity import (
    MAX_PSNR_DB,
    compare,
    frechet_distance,
    hog_features,
    kernel_distance,
    psnr_db,
    thumbnails,
)
from tests.helpers.models import build_onnx

SHAPE = {"z_dim": 12, "labels": 3, "image_size_px": 16, "channels": 3}


def test_psnr():
    """Each image has its own PSNR, as scikit-image measures it, and equal images the highest."""
    random = np.random.default_rng(0)
    a = random.integers(0, 256, (3, 16, 16, 3), np.uint8)
    b = a.copy()
    b[1] ^= 1
    b[2] = 255 - a[2]
    expected = [MAX_PSNR_DB, *(peak_signal_noise_ratio(x, y) for x, y in zip(a[1:], b[1:], strict=True))]
    assert psnr_db(a, b) == pytest.approx(expected)


def test_frechet_distance():
    """It is 0 for the same features, and the squared shift for shifted ones; scaling has its closed form."""
    a = np.random.default_rng(0).normal(size=(500, 5))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + 2) == pytest.approx(5 * 4)
    centred = a - a.mean(axis=0)
    trace = np.trace(np.cov(centred, rowvar=False))
    assert frechet_distance(centred, 3 * centred) == pytest.approx(trace * (3 - 1) ** 2)


def test_kernel_distance():
    """It is about 0 for two samples of one distribution and grows with their distance."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 400, 6))
    same, near, far = (kernel_distance(a, b + shift) for shift in (0, 0.5, 1))
    assert abs(same) < 0.02 < near < far


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side_px", [16, 64])
def test_features(channels, side_px):
    """Features have their size whatever that of the images is; thumbnails of flat images are their colour."""
    images = np.full((2, side_px, side_px, channels), 51, np.uint8)
    assert hog_features(images).shape == (2, 128)
    assert thumbnails(images) == pytest.approx(np.full((2, 64 * channels), 0.2))


def test_a_model_is_like_itself(tmp_path):
    """Compared with itself a model has the highest marks, and equal distances to images of other seeds."""
    path = tmp_path / "model.onnx"
    path.write_bytes(build_onnx(**SHAPE).SerializeToString())
    engine = OnnxEngine(path, **SHAPE)
    fidelity = compare(engine, engine, 12, 3, 40)
    assert fidelity.psnr_db.tolist() == [MAX_PSNR_DB] * 40
    assert fidelity.ssim == pytest.approx(1)
    assert fidelity.max_grey_levels == 0
    assert set(fidelity.distances) == {"fd_hog", "kid_hog", "fd_thumbnail", "kid_thumbnail"}
    for of_int8, of_float32 in fidelity.distances.values():
        assert of_int8 == of_float32

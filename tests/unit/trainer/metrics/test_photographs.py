"""The metrics on real photographs: do they rank what everyone can rank?"""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from trainer.data.decode import decode
from trainer.data.options import DataOptions
from trainer.data.sources import read_source
from trainer.metrics.distances import frechet_distance, kernel_distance
from trainer.metrics.features import extractor
from trainer.metrics.labels import fit_probe
from trainer.metrics.manifold import manifold
from trainer.metrics.memorising import copying, nearest

pytestmark = [pytest.mark.data, pytest.mark.training]
LABELS = ("convertible", "pickup", "suv")


@pytest.fixture(scope="module")
def cars(shared_data: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Photographs of three body types, 32 px, by split: 540 for training, 270 for testing."""
    wanted = {"train": 180, "test": 90}
    images: dict[str, list[np.ndarray]] = {split: [] for split in wanted}
    labels: dict[str, list[int]] = {split: [] for split in wanted}
    options = DataOptions(include=tuple(f"*/{label}/*" for label in LABELS))
    for raw in read_source(shared_data / "cars.tar", options).images:
        split, label = raw.name.split("/")[0], LABELS.index(raw.class_name or "")
        if labels[split].count(label) < wanted[split]:
            images[split].append(decode(raw, 32, 3))
            labels[split].append(label)
    return {split: (np.stack(images[split]), np.array(labels[split])) for split in wanted}


@pytest.fixture(scope="module")
def features(cars: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    """Their features, and those of the test photographs blurred, mirrored and replaced by noise."""
    lite0 = extractor("lite0")
    test = cars["test"][0]
    noise = np.random.default_rng(0).integers(0, 256, test.shape, np.uint8)
    return {
        "train": lite0(cars["train"][0]),
        "test": lite0(test),
        "mirrored": lite0(test[..., ::-1]),
        "blurred": lite0(gaussian_filter(test, (0, 0, 0.7, 0.7))),
        "very blurred": lite0(gaussian_filter(test, (0, 0, 1.4, 1.4))),
        "noise": lite0(noise),
    }


def test_distances_grow_with_blur_and_noise(features: dict[str, np.ndarray]) -> None:
    """Unseen photographs are nearest to the training photographs, then blurred ones, and noise is far off."""
    order = ("test", "blurred", "very blurred", "noise")
    fd = [frechet_distance(features["train"], features[name]) for name in order]
    kid = [kernel_distance(features["train"], features[name], 0) for name in order]
    for distances in (fd, kid):
        assert distances == sorted(distances)
        assert distances[0] < 0.2 * distances[-1]


def test_coverage(features: dict[str, np.ndarray]) -> None:
    """Photographs cover themselves wholly, unseen ones nearly, noise not at all."""
    sample = features["train"][::2]
    assert manifold(sample, sample).coverage == 1
    assert manifold(sample, features["test"]).coverage > 0.85
    assert manifold(sample, features["noise"]).coverage < 0.05


def test_body_types_are_told_apart(
    cars: dict[str, tuple[np.ndarray, np.ndarray]], features: dict[str, np.ndarray]
) -> None:
    """A probe trained on photographs names most body types of unseen ones, and guesses on noise."""
    probe = fit_probe(features["train"], cars["train"][1], 0)
    assert probe.accuracy(features["test"], cars["test"][1]) > 0.55
    assert probe.accuracy(features["noise"], cars["test"][1]) < 0.5


def test_only_copies_are_suspected(features: dict[str, np.ndarray]) -> None:
    """Half of the test photographs are no copies beside the other half; training photographs are."""
    train = features["train"]
    first, second = (nearest(train, features["test"][i::2], features["mirrored"][i::2]) for i in (0, 1))
    assert not copying(first, second).suspicious
    copies = copying(nearest(train, train[:135], features["mirrored"][:135]), second)
    assert copies.share == 1
    assert copies.suspicious

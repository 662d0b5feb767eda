"""The check for copies of training images."""

import numpy as np
import pytest

from trainer.metrics.memorising import copying, nearest


def images(n: int, seed: int) -> np.ndarray:
    """Returns random features [n, 16]."""
    return np.random.default_rng(seed).standard_normal((n, 16)).astype(np.float32)


@pytest.fixture
def train() -> np.ndarray:
    """Features of 500 training images."""
    return images(500, 0)


def test_unseen_images_are_no_copies(train: np.ndarray) -> None:
    """Other images of the same distribution have a share of about 5 % and are not suspected."""
    unseen, fresh = (nearest(train, images(400, s), images(400, s + 10)) for s in (1, 2))
    result = copying(fresh, unseen)
    assert result.share == pytest.approx(0.05, abs=0.04)
    assert abs(result.z) < 3
    assert not result.suspicious


def test_copies_are_found(train: np.ndarray) -> None:
    """Copies, mirrored copies and a fifth of copies among new images are all suspected."""
    unseen = nearest(train, images(400, 1), images(400, 11))
    copies, others = train[:200] + 0.01 * images(200, 3), images(200, 4)
    assert copying(nearest(train, copies, others), unseen).share == 1
    mirrored = copying(nearest(train, others, copies), unseen)
    assert mirrored.share == 1
    assert mirrored.z < -10
    fifth = np.concatenate([train[:40], images(160, 5)])
    assert copying(nearest(train, fifth, images(200, 6)), unseen).suspicious


def test_neighbours_are_named(train: np.ndarray) -> None:
    """The nearest training image of a copy is its original, found by its mirror image too."""
    found = nearest(
        train, np.concatenate([train[7:8], images(1, 1)]), np.concatenate([images(1, 2), train[9:10]])
    )
    assert found.index[:, 0].tolist() == [7, 9]
    np.testing.assert_allclose(found.distance[:, 0], 0, atol=1e-3)
    assert (np.diff(found.distance, axis=1) >= 0).all()

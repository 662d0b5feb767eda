"""Distances, precision and recall, density and coverage, on numbers whose answers are known."""

import numpy as np
import pytest

from trainer.metrics import MetricsError
from trainer.metrics.distances import frechet_distance, kernel_distance
from trainer.metrics.manifold import manifold


def normal(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Returns standard normal features [n, 8], shifted in every dimension."""
    return (np.random.default_rng(seed).standard_normal((n, 8)) + shift).astype(np.float32)


def test_frechet_distance_of_shifted_gaussians() -> None:
    """The distance of two Gaussians of equal covariance is the squared distance of their means."""
    assert frechet_distance(normal(20_000, 0), normal(20_000, 1, shift=2)) == pytest.approx(8 * 4, rel=0.02)
    assert frechet_distance(normal(500, 0), normal(500, 0)) == pytest.approx(0, abs=1e-2)


def test_kernel_distance() -> None:
    """It is about zero for two samples of one distribution, grows with the shift, and keeps to its seed."""
    same, near, far = (kernel_distance(normal(600, 0), normal(600, 1, shift), 0) for shift in (0, 0.5, 1))
    assert abs(same) < 0.02 < near < far
    assert kernel_distance(normal(600, 0), normal(600, 1, 1), 0) == far
    assert kernel_distance(normal(600, 0), normal(600, 1, 1), 1) != far


def test_manifold_of_the_same_images() -> None:
    """Images compared with themselves are all precise, recalled and covered."""
    result = manifold(normal(200, 0), normal(200, 0))
    assert (result.precision, result.recall, result.coverage) == (1, 1, 1)
    assert result.density >= 1


def test_manifold_of_one_distribution() -> None:
    """For two samples of one distribution density is about 1 and coverage about 1 - 2^-5."""
    result = manifold(normal(1000, 0), normal(1000, 1))
    assert result.density == pytest.approx(1, abs=0.1)
    assert result.coverage == pytest.approx(1 - 2**-5, abs=0.03)


def test_manifold_of_far_and_of_collapsed_images() -> None:
    """Far images have no precision; images of one place are precise but cover little."""
    far = manifold(normal(200, 0), normal(200, 1, shift=50))
    assert (far.precision, far.density, far.coverage) == (0, 0, 0)
    collapsed = manifold(normal(200, 0), 0.01 * normal(200, 1))
    assert collapsed.precision == 1
    assert collapsed.recall < 0.1
    assert collapsed.coverage < 0.5


@pytest.mark.parametrize("measure", [frechet_distance, lambda a, b: kernel_distance(a, b, 0), manifold])
def test_too_few_images(measure) -> None:
    """Fewer than 100 images on a side are refused by number and side."""
    with pytest.raises(MetricsError, match="40 generated images are too few to measure; at least 100"):
        measure(normal(200, 0), normal(40, 1))
    with pytest.raises(MetricsError, match="40 real images are too few"):
        measure(normal(40, 0), normal(200, 1))

"""The probe of labels."""

import numpy as np
import pytest

from trainer.metrics import MetricsError
from trainer.metrics.labels import fit_probe


def features(labels: np.ndarray, seed: int, signal: float) -> np.ndarray:
    """Returns noise [N, 20] of unequal scales in which the label shows with some strength."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((labels.max() + 1, 20))
    scales = np.logspace(-3, 3, 20)
    return (scales * (rng.standard_normal((len(labels), 20)) + signal * centres[labels])).astype(np.float32)


@pytest.mark.parametrize("n_labels", [2, 4])
def test_the_probe_finds_what_shows(n_labels: int) -> None:
    """Labels that show are named right on unseen images, labels that do not are guessed."""
    labels = np.arange(400) % n_labels
    strong, none = (fit_probe(features(labels, 1, s), labels, 0) for s in (2.0, 0.0))
    assert strong.accuracy(features(labels, 2, 2.0), labels) > 0.95
    assert none.accuracy(features(labels, 2, 0.0), labels) == pytest.approx(1 / n_labels, abs=0.1)


def test_labels_weigh_the_same() -> None:
    """With 9 images of one label to 1 of another, a weak signal still finds both about equally often."""
    labels = (np.arange(600) % 10 == 0).astype(int)
    probe = fit_probe(features(labels, 1, 0.5), labels, 0)
    unseen = np.arange(600) % 2
    named = probe.names(features(unseen, 2, 0.5))
    rates = [float((named[unseen == label] == label).mean()) for label in (0, 1)]
    assert min(rates) > 0.6


def test_what_a_probe_needs() -> None:
    """One label, or a label of few images, is refused in a sentence."""
    rows = np.zeros((40, 3), np.float32)
    with pytest.raises(MetricsError, match="at least two labels"):
        fit_probe(rows, np.zeros(40, int), 0)
    with pytest.raises(MetricsError, match="a label has 5 images; a probe needs at least 10"):
        fit_probe(rows, np.array([0] * 35 + [1] * 5), 0)

"""Whether the label shows: a linear probe on features, trained on one side and tested on the other.

Classification accuracy score (Ravuri & Vinyals 2019, arXiv 1905.10887): trained on generated images, tested
on real ones it has not seen. Label accuracy: the other way round, does a "sedan" look like a sedan?
Both are balanced accuracies, the mean over the labels of the share that was named right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from trainer.metrics import MetricsError

INVERSE_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Values of C to choose from, strongest regularisation first; on features of cars the best lies inside."""
FOLDS = 5
MIN_IMAGES_PER_LABEL = 10
MAX_IMAGES = 5000
"""A probe is fitted to a random choice of so many images where there are more: more change little."""


@dataclass(frozen=True)
class Probe:
    """A linear classifier of features."""

    mean: np.ndarray
    """[F], subtracted from features."""
    scale: np.ndarray
    """[F], divides them."""
    weights: np.ndarray
    """[K, F] for K labels; one row for two labels."""
    bias: np.ndarray
    """[K], or one value for two labels."""
    labels: np.ndarray
    """int64 [K], the labels in the order of the weights."""

    def names(self, features: np.ndarray) -> np.ndarray:
        """Returns a label for each row of features [N, F]: int64 [N]."""
        scores = (features - self.mean) / self.scale @ self.weights.T + self.bias
        return self.labels[(scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(1)]

    def accuracy(self, features: np.ndarray, labels: np.ndarray) -> float:
        """Returns the balanced accuracy of the names for images with these labels."""
        return float(balanced_accuracy_score(labels, self.names(features)))


def fit_probe(features: np.ndarray, labels: np.ndarray, seed: int) -> Probe:
    """Returns a logistic regression on standardised features [N, F], every label weighing the same.

    The strength of its regularisation is chosen by cross-validation in five folds of these very images and
    nothing else: the strongest whose balanced accuracy is within one standard error of the best (Hastie,
    Tibshirani, Friedman 2009, section 7.10), which jumps less from one draw of images to the next.

    Raises:
        MetricsError: there are fewer than two labels, or a label has too few images.
    """
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    if len(counts) < 2:
        raise MetricsError("the label can only show where there are at least two labels")
    if counts.min() < MIN_IMAGES_PER_LABEL:
        raise MetricsError(
            f"a label has {counts.min()} images; a probe needs at least {MIN_IMAGES_PER_LABEL} of each"
        )
    if len(labels) > MAX_IMAGES:
        chosen, _ = train_test_split(
            np.arange(len(labels)), train_size=MAX_IMAGES, stratify=labels, random_state=seed
        )
        features, labels = features[chosen], labels[chosen]
    search: Any = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=300)),
        {"logisticregression__C": INVERSE_STRENGTHS},
        scoring="balanced_accuracy",
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=seed),
        refit=_within_one_standard_error,  # pyright: ignore[reportArgumentType] - a function is accepted
        error_score="raise",  # pyright: ignore[reportArgumentType]
    )
    scaler, classifier = search.fit(features, labels).best_estimator_
    return Probe(scaler.mean_, scaler.scale_, classifier.coef_, classifier.intercept_, classifier.classes_)


def _within_one_standard_error(results: dict[str, Any]) -> int:
    mean = np.asarray(results["mean_test_score"])
    error = np.asarray(results["std_test_score"]) / np.sqrt(FOLDS)
    best = mean.argmax()
    return int(np.flatnonzero(mean >= mean[best] - error[best])[0])

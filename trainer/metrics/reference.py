"""What an extractor sees of the real images, and what real images score: the limits of every figure.

All of it is computed once for a prepared set and kept beside it.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from trainer.metrics.distances import MIN_IMAGES, frechet_distance, kernel_distance
from trainer.metrics.features import Extractor
from trainer.metrics.labels import Probe, fit_probe
from trainer.metrics.manifold import manifold
from trainer.metrics.memorising import Nearest, nearest
from trainer.metrics.real import RealImages, Track

SEED = 0
"""Of the choices among real images: the same for every model, so that these add no noise to comparisons."""
FORMAT = 1
"""Changes when the figures kept beside a set would come out differently."""


class Reference:
    """Real images in feature space.

    Attributes:
        train: features of the training images, float32 [M, F].
        sample: of n of them chosen at random.
        unseen: of the unseen images; None without.
    """

    def __init__(self, real: RealImages, extractor: Extractor, n: int, track: Track) -> None:
        self._real, self._extractor, self._track = real, extractor, track
        self.train = real.features(real.train, extractor, track)
        self.unseen = real.features(real.unseen, extractor, track) if real.unseen else None
        self._order = np.random.default_rng(SEED).permutation(len(self.train))
        self._n = n
        self.sample = self.train[self._order[:n]]
        digests = [real.digest(part.split) for part in (real.train, real.unseen) if part]
        version = extractor.version(real.prepared.info.size_px)
        self._key = f"{FORMAT} {version} {' '.join(digests)} labels {','.join(real.labels)}"

    def distances(self) -> dict[str, float]:
        """Returns `fd`, `kid`, `precision`, `recall`, `density` and `coverage` of real images.

        For the two distances n training images are held against all others, for the rest against n others.
        """

        def compute() -> dict[str, np.ndarray]:
            others = self.train[self._order[self._n :]]
            figures = {
                "fd": frechet_distance(others, self.sample),
                "kid": kernel_distance(others, self.sample, SEED),
                **asdict(manifold(others[: self._n], self.sample)),
            }
            return {name: np.array(value) for name, value in figures.items()}

        kept = self._real.cache.get(f"{self._key} distances n {self._n}", compute)
        return {name: float(value) for name, value in kept.items()}

    def judge(self) -> Probe:
        """Returns the probe that was trained on the real training images."""
        labels = self._real.train.labels
        kept = self._real.cache.get(f"{self._key} judge", lambda: asdict(fit_probe(self.train, labels, SEED)))
        return Probe(**kept)

    def trained_on_real(self, per_label: int) -> float:
        """Returns the accuracy on unseen images of a probe trained on `per_label` real ones of each label."""
        unseen, labels = self.require_unseen()

        def compute() -> dict[str, np.ndarray]:
            chosen = equally_many(self._real.train.labels, per_label, SEED)
            probe = fit_probe(self.train[chosen], self._real.train.labels[chosen], SEED)
            return {"accuracy": np.array(probe.accuracy(unseen, labels))}

        return float(self._real.cache.get(f"{self._key} accuracy {per_label}", compute)["accuracy"])

    def require_unseen(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns features and labels of the unseen images; asked for only where there are some."""
        assert self.unseen is not None  # noqa: S101
        assert self._real.unseen is not None  # noqa: S101
        return self.unseen, self._real.unseen.labels

    def nearest_of_unseen(self) -> Nearest:
        """Returns the training images nearest to unseen ones.

        Where the set has none, a tenth of the training images is looked for among the others.
        """
        real, extractor = self._real, self._extractor

        def compute() -> dict[str, np.ndarray]:
            if self.unseen is not None and real.unseen is not None:
                mirrored = real.features(real.unseen, extractor, self._track, mirrored=True)
                return asdict(nearest(self.train, self.unseen, mirrored))
            held, others = np.split(self._order, [max(MIN_IMAGES, len(self._order) // 10)])
            images = real.train.data.images[real.train.index[held], ..., ::-1]
            mirrored = extractor(images, self._track("features of mirrored real images", len(images)))
            return asdict(nearest(self.train[others], self.train[held], mirrored))

        return Nearest(**real.cache.get(f"{self._key} nearest", compute))


def equally_many(labels: np.ndarray, per_label: int, seed: int) -> np.ndarray:
    """Returns positions of `per_label` random images of each label in labels [N]."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.permutation(np.flatnonzero(labels == i))[:per_label] for i in np.unique(labels)]
    )

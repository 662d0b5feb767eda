"""The real images that generated ones are held against, and what they score themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trainer.data.dataset import Dataset
from trainer.data.sets import PreparedSet
from trainer.data.splits import TEST, TRAIN, VALIDATION
from trainer.metrics import MetricsError
from trainer.metrics.cache import Cache
from trainer.metrics.distances import MIN_IMAGES
from trainer.metrics.features import Extractor

Track = Callable[[str, int], Callable[[int], None]]
"""Begins a stage of so many images and returns the function to report images done to."""


def untracked(_: str, __: int) -> Callable[[int], None]:
    """Reports nothing."""
    return lambda _: None


@dataclass(frozen=True)
class Part:
    """The images of one split that bear the labels in question."""

    split: str
    """Name of the split."""
    data: Dataset
    """The whole split."""
    index: np.ndarray
    """int64 [N], the images in question."""
    labels: np.ndarray
    """int64 [N], their labels in the model's order; 0 where labels do not matter."""


class RealImages:
    """Training and unseen images of a prepared set, as far as a model's labels go.

    Attributes:
        labels: the model's labels; empty where all images are taken, whatever their labels.
        train: images to measure distances from.
        unseen: of the test split, else of the validation split; None without both.
    """

    def __init__(self, prepared: PreparedSet, labels: tuple[str, ...]) -> None:
        """Chooses the images.

        Raises:
            MetricsError: there are too few.
        """
        self.prepared, self.labels = prepared, labels
        splits = prepared.info.splits
        if TRAIN not in splits:
            raise MetricsError(f"{prepared.folder} has no training images to compare with")
        self.train = self._part(TRAIN)
        held_out = next((name for name in (TEST, VALIDATION) if name in splits), None)
        self.unseen = self._part(held_out) if held_out else None
        if self.unseen is not None and len(self.unseen.index) < MIN_IMAGES:
            self.unseen = None
        if len(self.train.index) < 2 * MIN_IMAGES:
            raise MetricsError(
                f"{prepared.folder} has {len(self.train.index)} training images to compare with; at least "
                f"{2 * MIN_IMAGES} are needed"
            )
        self.cache = Cache(prepared.folder)

    def _part(self, split: str) -> Part:
        data = self.prepared.split(split)
        if not self.labels:
            return Part(split, data, np.arange(len(data.images)), np.zeros(len(data.images), np.int64))
        new = np.full(len(data.label_names) + 1, -1)  # the last one is for unlabelled images, index -1
        for i, name in enumerate(self.labels):
            new[data.label_names.index(name)] = i
        labels = new[data.labels]
        index = np.flatnonzero(labels >= 0)
        return Part(split, data, index, labels[index])

    def features(
        self, part: Part, extractor: Extractor, track: Track, *, mirrored: bool = False
    ) -> np.ndarray:
        """Returns the features of a part's images, mirrored left to right or as they are: float32 [N, F]."""
        size_px = self.prepared.info.size_px
        images = part.data.images

        def compute() -> dict[str, np.ndarray]:
            report = track(f"{extractor.name} features of real images ({part.split})", len(images))
            return {"features": extractor(images[..., ::-1] if mirrored else images, report)}

        key = f"features {extractor.version(size_px)} mirrored {mirrored} {self.digest(part.split)}"
        return self.cache.get(key, compute)["features"][part.index]

    def digest(self, split: str) -> str:
        """Returns the digest of a whole split."""
        return self.prepared.info.splits[split].sha256

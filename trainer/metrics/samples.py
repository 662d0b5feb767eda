"""Draws the images of an evaluation: how many, with which labels, held against which real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.data.sets import PreparedSet
from trainer.metrics import MetricsError
from trainer.metrics.distances import MIN_IMAGES
from trainer.metrics.labels import MIN_IMAGES_PER_LABEL
from trainer.metrics.real import RealImages, Track
from trainer.metrics.targets import Target


@dataclass(frozen=True)
class Samples:
    """Images of every seed, and the real images to hold them against."""

    real: RealImages
    """Real images of the target's labels."""
    natural: list[np.ndarray]
    """For each seed uint8 [N, C, S, S], labels as frequent as in the real training images."""
    balanced: list[tuple[np.ndarray, np.ndarray]]
    """For each seed equally many images of each label, and the labels; empty where these are not measured."""
    per_label: int
    """Images of each label in `balanced`."""
    no_labels: str
    """Why labels cannot be measured; empty where they can."""
    notes: list[str]
    """What a reader of the figures should know."""

    @property
    def n(self) -> int:
        """Images a seed in `natural`."""
        return len(self.natural[0])

    @property
    def seeds(self) -> int:
        """Number of draws."""
        return len(self.natural)


def draw_samples(target: Target, prepared: PreparedSet, n: int, seeds: int, track: Track) -> Samples:
    """Draws up to n images a seed.

    There are fewer where the real images, of which half are held against the other half, or the target's
    own images are fewer; one seed alone where it would be the same images again.

    Args:
        target: what draws.
        prepared: real images.
        n: images a seed.
        seeds: number of draws.
        track: is told how many draws are done.

    Raises:
        MetricsError: there are too few images, or the target draws other labels than the set holds.
    """
    notes: list[str] = []
    real = RealImages(prepared, _common_labels(target, prepared, notes))
    affordable = min(n, len(real.train.index) // 2, n if target.n_images is None else target.n_images)
    if affordable < MIN_IMAGES:
        raise MetricsError(
            f"{affordable} generated images are too few to measure; at least {MIN_IMAGES} are needed"
        )
    if affordable < n and affordable == len(real.train.index) // 2:
        notes.append(f"{affordable} images a seed, not {n}: half of the real training images")
    if target.left_out:
        notes.append(f"{target.left_out} files were no usable image")
    if target.trained_on not in ("", real.digest(real.train.split)):
        notes.append("it was trained on other images than these, as the digests show")
    if target.guided:
        notes.append("lite0 features guided its training, so they flatter it: look at lite2 and hog as well")
    per_label, no_labels = _images_per_label(target, real, affordable)
    natural, balanced = [], []
    seeds = 1 if target.n_images == affordable else seeds
    report = track("drawing", seeds)
    for seed in range(seeds):
        natural.append(target.natural(real.train.labels, affordable, seed))
        if per_label:
            balanced.append(target.balanced(per_label, seed))
        report(1)
    return Samples(real, natural, balanced, per_label, no_labels, notes)


def _common_labels(target: Target, prepared: PreparedSet, notes: list[str]) -> tuple[str, ...]:
    """Returns the target's labels, or none where all real images are taken whatever their labels."""
    labels, real = target.labels, prepared.info.labels
    missing = [label for label in labels if label not in real]
    if not missing:
        unused = [label for label in real if label not in labels]
        if labels and unused:
            notes.append(f"real images of labels that it does not draw are left out: {', '.join(unused)}")
        return labels
    if target.kind == "images":
        notes.append(f"the labels of the images are not those of the set, such as {missing[0]!r}")
        return ()
    if len(labels) == 1:
        return ()
    raise MetricsError(
        f"the {target.kind} draws {missing[0]!r}, which {prepared.folder} does not hold; it holds: "
        f"{', '.join(real)}"
    )


def _images_per_label(target: Target, real: RealImages, n: int) -> tuple[int, str]:
    """Returns how many images of each label to draw, or 0 and why labels cannot be measured."""
    if len(real.labels) < 2:
        return 0, "it draws without labels, or a single one"
    if real.unseen is None:
        return 0, f"the set has no test split of at least {MIN_IMAGES} images"
    numbers = [n // len(real.labels), int(np.bincount(real.train.labels).min())]
    if (available := target.most_per_label()) is not None:
        numbers.append(available)
    if min(numbers) < MIN_IMAGES_PER_LABEL:
        return 0, f"only {min(numbers)} images of each label; at least {MIN_IMAGES_PER_LABEL} are needed"
    return min(numbers), ""

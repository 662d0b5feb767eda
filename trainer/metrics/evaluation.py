"""Measures what a target draws against a prepared set, in every way, with every extractor asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from trainer.data.sets import PreparedSet
from trainer.metrics.distances import KID_SUBSET_SIZE, KID_SUBSETS, frechet_distance, kernel_distance
from trainer.metrics.features import Extractor
from trainer.metrics.labels import fit_probe
from trainer.metrics.manifold import DENSITY_K, PRECISION_K, manifold
from trainer.metrics.memorising import QUANTILE, Nearest, copying, nearest
from trainer.metrics.real import Track, untracked
from trainer.metrics.record import Evaluation, Figure
from trainer.metrics.reference import Reference
from trainer.metrics.samples import Samples, draw_samples
from trainer.metrics.targets import Target


@dataclass(frozen=True)
class Neighbours:
    """Generated images and the training images nearest to them."""

    images: np.ndarray
    """uint8 [N, C, S, S], generated."""
    nearest: Nearest
    """Their neighbours."""
    train: np.ndarray
    """uint8 [M, C, S, S], the images of the training split."""


def evaluate(
    target: Target, prepared: PreparedSet, extractors: Sequence[Extractor], *, n: int = 1000, seeds: int = 3,
    track: Track = untracked,
) -> tuple[Evaluation, Neighbours]:  # fmt: skip
    """Returns all figures, and the neighbours of the images of seed 0 by the first extractor.

    Args:
        target: what draws.
        prepared: real images.
        extractors: what to see the images with, at least one.
        n: images a seed; fewer where there are fewer.
        seeds: number of draws.
        track: is told what is under way.

    Raises:
        MetricsError: there are too few images, or the target draws other labels than the set holds.
    """
    samples = draw_samples(target, prepared, n, seeds, track)
    measurements = [_Measurement(samples, extractor, track) for extractor in extractors]
    figures = [figure for measurement in measurements for figure in measurement.figures()]
    notes = [*samples.notes, *(note for measurement in measurements for note in measurement.notes)]
    evaluation = Evaluation(
        target=target.name,
        kind=target.kind,
        step=target.step,
        weights=target.weights,
        data=prepared.info.name,
        data_sha256=samples.real.digest(samples.real.train.split),
        images=samples.n,
        images_per_label=samples.per_label or None,
        seeds=samples.seeds,
        figures=tuple(figures),
        not_measured=dict.fromkeys(("cas", "label_accuracy"), samples.no_labels) if samples.no_labels else {},
        notes=tuple(notes),
    )
    train = samples.real.train
    return evaluation, Neighbours(samples.natural[0], measurements[0].nearest, train.data.images[train.index])


class _Measurement:
    """The figures in one extractor's space.

    Attributes:
        nearest: training images nearest to the images of seed 0.
        notes: what a reader should know.
    """

    def __init__(self, samples: Samples, extractor: Extractor, track: Track) -> None:
        self._samples, self._extractor, self._track = samples, extractor, track
        self._reference = Reference(samples.real, extractor, samples.n, track)
        self._natural = [self._features(images, "generated images") for images in samples.natural]
        mirrored = self._features(samples.natural[0][..., ::-1], "mirrored images")
        self.nearest = nearest(self._reference.train, self._natural[0], mirrored)
        self.notes: list[str] = []
        self._version = extractor.version(samples.natural[0].shape[-1])

    def _features(self, images: np.ndarray, what: str) -> np.ndarray:
        name = self._extractor.name
        return self._extractor(images, self._track(f"{name} features of {what}", len(images)))

    def figures(self) -> list[Figure]:
        """Returns everything that can be measured."""
        figures = [*self._distances(), *self._copying()]
        return [*figures, *self._labels()] if self._samples.balanced else figures

    def _distances(self) -> list[Figure]:
        reference, n = self._reference, self._samples.n
        measured: dict[str, list[float]] = defaultdict(list)
        report = self._track(f"{self._extractor.name} distances", len(self._natural))
        for seed, fake in enumerate(self._natural):
            figures = {
                "fd": frechet_distance(reference.train, fake),
                "kid": kernel_distance(reference.train, fake, seed),
                **asdict(manifold(reference.sample, fake)),
            }
            for name, value in figures.items():
                measured[name].append(value)
            report(1)
        real = reference.distances()
        subset = min(KID_SUBSET_SIZE, n)
        against = f"{n} generated images against {len(reference.train)} training images"
        equal = f"{n} generated images against {n} training images"
        methods = {
            "fd": f"Frechet distance, {against}",
            "kid": f"squared MMD with cubic kernel, {KID_SUBSETS} subsets of {subset}, {against}",
            "precision": f"k {PRECISION_K}, {equal}",
            "recall": f"k {PRECISION_K}, {equal}",
            "density": f"k {DENSITY_K}, {equal}",
            "coverage": f"k {DENSITY_K}, {equal}",
        }
        return [
            self._figure(name, values, methods[name], real=real[name]) for name, values in measured.items()
        ]

    def _labels(self) -> list[Figure]:
        reference, samples = self._reference, self._samples
        unseen, truth = reference.require_unseen()
        judge = reference.judge()
        cas, label_accuracy = [], []
        for seed, (images, labels) in enumerate(samples.balanced):
            features = self._features(images, "images of each label")
            cas.append(fit_probe(features, labels, seed).accuracy(unseen, truth))
            label_accuracy.append(judge.accuracy(features, labels))
        chance = 1 / len(samples.real.labels)
        each = f"{samples.per_label} of each label"
        return [
            self._figure(
                "cas", cas, f"balanced accuracy on {len(truth)} unseen real images of a linear probe trained "
                f"on generated images, {each}",
                real=reference.trained_on_real(samples.per_label), chance=chance,
            ),
            self._figure(
                "label_accuracy", label_accuracy, f"balanced accuracy on generated images, {each}, of a "
                "linear probe trained on real images", real=judge.accuracy(unseen, truth), chance=chance,
            ),
        ]  # fmt: skip

    def _copying(self) -> list[Figure]:
        unseen = self._reference.nearest_of_unseen()
        result = copying(self.nearest, unseen)
        if result.suspicious:
            self.notes.append(
                f"{result.share:.0%} of the images are as near to a training image as only {QUANTILE:.0%} of "
                f"unseen ones are, by {self._extractor.name} features: look at the neighbours"
            )
        pairs = f"{self._samples.n} generated images of seed 0, {len(unseen.distance)} unseen ones"
        return [
            self._figure(
                "copied_share", [result.share], f"share of images nearer to a training image than the "
                f"nearest {QUANTILE:.0%} of unseen images, {pairs}", real=QUANTILE,
            ),
            self._figure(
                "copying_z", [result.z], "Mann-Whitney z of the distances to the nearest training image, "
                f"negative where generated images are nearer, {pairs}", real=0.0,
            ),
        ]  # fmt: skip

    def _figure(
        self, name: str, values: list[float], method: str, *, real: float, chance: float | None = None
    ) -> Figure:
        draws = f"mean of seeds 0 to {len(values) - 1}" if len(values) > 1 else "seed 0"
        return Figure(
            name=self._extractor.metric_name(name),
            value=float(np.mean(values)),
            spread=float(np.std(values, ddof=1)) if len(values) > 1 else None,
            real=real,
            chance=chance,
            method=f"{method}; {self._version}; {draws}",
        )

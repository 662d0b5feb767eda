"""What images are asked for, and what that means for a model."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.generator import noise
from services.generator.draws import Draws, GivenDraws, LabelChoice, SeededDraws, WalkDraws
from services.generator.engine import Labels
from services.generator.errors import RequestError
from services.generator.images import Provenance
from services.generator.models import Model
from services.generator.served import Drawn

_DRAWN_SEED_BITS = 53  # a seed that every language's JSON reads back exactly


@dataclass(frozen=True)
class Walk:
    """Images on the way from the request's seed to another one."""

    to_seed: int
    """The other seed."""
    start: float = 0.0
    """Position of the first image: 0 is the request's seed, 1 the other one."""
    stop: float = 1.0
    """Position of the last image."""


@dataclass(frozen=True)
class SampleRequest:
    """What images are asked for."""

    model: str = ""
    """Model name; empty means the one model that has the label, or the default model without a label."""
    version: int = 0
    """Model version; 0 means the newest."""
    label: str = ""
    """Label; empty means one drawn from each image's seed, if the model has labels."""
    label_mix: Mapping[str, float] = field(default_factory=dict[str, float])
    """Weights of several labels in place of one."""
    count: int = 1
    """How many images."""
    seed: int | None = None
    """Seed of the first image, image i has seed + i; None draws one."""
    seeds: Sequence[int] = ()
    """Seed of each image; then `count` does not matter."""
    walk: Walk | None = None
    """Images on the way from `seed` to another one, `count` of them."""
    truncation: float = 1.0
    """Factor on the latent vector, above 0 and at most 1."""

    @property
    def size(self) -> int:
        """Number of images."""
        return len(self.seeds) or self.count

    @property
    def any_label(self) -> str:
        """One of the labels asked for; empty when there is none."""
        return self.label or next(iter(self.label_mix), "")


@dataclass(frozen=True)
class Samples:
    """Some images of a request, in their order."""

    pixels: NDArray[np.uint8]
    """uint8 [N, H, W, C]."""
    provenances: Sequence[Provenance]
    """What names each image."""


@dataclass(frozen=True)
class Plan:
    """A request that a model can fulfil."""

    model: Model
    """The model."""
    draws: Draws
    """The images as rows of the graph's inputs."""
    seeds: Sequence[int]
    """Seed of each image; of a walk the first one for all."""
    truncation: float
    """Factor on the latent vector."""
    label_mix: Mapping[str, float]
    """Share of each label, their sum is 1; empty when labels are not mixed."""
    to_seed: int | None = None
    """The other seed of a walk."""
    positions: Sequence[float] = ()
    """Position of each image of a walk."""

    def samples(self, first: int, drawn: Drawn) -> Samples:
        """Returns images that were drawn, the first of them as number `first`, with what names them."""
        count = len(drawn.images)
        names: Sequence[str] = self.model.labels or ("",)
        labels: list[str] = (
            [""] * count if self.label_mix else [names[index] for index in drawn.labels.tolist()]
        )
        provenances = [
            Provenance(
                model=self.model.name,
                version=self.model.version,
                digest=self.model.digest,
                label=label,
                seed=seed,
                truncation=self.truncation,
                label_mix=self.label_mix,
                to_seed=self.to_seed,
                position=self.positions[number] if self.positions else None,
            )
            for number, (label, seed) in enumerate(
                zip(labels, self.seeds[first : first + count], strict=True), first
            )
        ]
        return Samples(drawn.images, provenances)


def plan(request: SampleRequest, model: Model, *, mixes_labels: bool, max_count: int) -> Plan:
    """Returns what a request wants of a model that has its label; draws the seed when there is none.

    Raises:
        RequestError: A count, seed, truncation, position or weight is not acceptable.
    """
    if not 0 < request.truncation <= 1:
        raise RequestError(f"truncation has to be above 0 and at most 1, not {request.truncation}")
    if not 1 <= request.size <= max_count:
        raise RequestError(f"count has to be 1 to {max_count}, not {request.size}")
    mix = _label_mix(request, model, mixes_labels)
    label: LabelChoice = None
    if mix:
        label = tuple(mix.get(name, 0.0) for name in model.labels)
    elif request.label or not model.labels:
        label = model.labels.index(request.label) if request.label else 0
    n_labels = max(len(model.labels), 1)
    seeds = _seeds(request)
    truncation, walk = request.truncation, request.walk
    if not walk:
        return Plan(model, SeededDraws(seeds, label, n_labels, truncation), seeds, truncation, mix)
    positions = _positions(walk, request.count)
    draws = WalkDraws((seeds[0], walk.to_seed), positions, label, n_labels, truncation)
    return Plan(model, draws, seeds, truncation, mix, walk.to_seed, positions.tolist())


def plan_given(
    model: Model, z: NDArray[np.float32], labels: Labels | None, *, mixes_labels: bool
) -> GivenDraws:
    """Returns what given latent vectors and labels mean for a model.

    Raises:
        RequestError: They are not the arrays that `Sampler.infer` takes.
    """
    name, z_dim, n_labels, n = model.name, model.card.z_dim, len(model.labels), len(z)
    if z.dtype != np.float32 or z.ndim != 2 or z.shape[1] != z_dim:
        raise RequestError(
            f"z of model {name!r} has to be float32 [N, {z_dim}], not {z.dtype} {list(z.shape)}"
        )
    if not np.isfinite(z).all():
        raise RequestError("z has to hold finite numbers, not NaN or infinity")
    if not n_labels:
        if labels is not None:
            raise RequestError(f"model {name!r} has no labels: ask for it without any")
        return GivenDraws(z, np.zeros(n, np.int64))
    if labels is not None and labels.dtype == np.int64 and labels.shape == (n,):
        if labels.min() < 0 or labels.max() >= n_labels:
            wrong = labels.min() if labels.min() < 0 else labels.max()
            raise RequestError(f"label indices of model {name!r} go from 0 to {n_labels - 1}, not {wrong}")
        return GivenDraws(z, labels)
    if mixes_labels and labels is not None and labels.dtype == np.float32 and labels.shape == (n, n_labels):
        if not np.isfinite(labels).all():
            raise RequestError("label weights have to be finite numbers, not NaN or infinity")
        return GivenDraws(z, labels)
    raise RequestError(
        f"label of model {name!r} has to be int64 [{n}]"
        + (f" or float32 [{n}, {n_labels}]" if mixes_labels else "")
        + (", it is missing" if labels is None else f", not {labels.dtype} {list(labels.shape)}")
    )


def _seeds(request: SampleRequest) -> Sequence[int]:
    if request.seeds:
        if request.seed is not None or request.walk:
            raise RequestError("a list of seeds goes neither with a first seed nor with a walk")
        outside = next((seed for seed in request.seeds if not 0 <= seed <= noise.MAX_SEED), None)
        if outside is not None:
            raise RequestError(f"seeds go from 0 to {noise.MAX_SEED}, {outside} is not among them")
        return request.seeds
    first = secrets.randbits(_DRAWN_SEED_BITS) if request.seed is None else request.seed
    walk = request.walk
    seeds = [first] * request.count if walk else range(first, first + request.count)
    for lowest, highest in ((first, seeds[-1]), (walk.to_seed, walk.to_seed) if walk else (0, 0)):
        if lowest < 0 or highest > noise.MAX_SEED:
            raise RequestError(
                f"seeds go from 0 to {noise.MAX_SEED}: {highest - lowest + 1} from {lowest} on are not among "
                "them"
            )
    return seeds


def _positions(walk: Walk, count: int) -> NDArray[np.float64]:
    for position in (walk.start, walk.stop):
        if not 0 <= position <= 1:
            raise RequestError(f"positions of a walk go from 0 to 1, {position} is not among them")
    # Not linspace, whose steps a program in another language would have to imitate.
    return walk.start + (walk.stop - walk.start) * np.arange(count) / max(count - 1, 1)


def _label_mix(request: SampleRequest, model: Model, mixes_labels: bool) -> Mapping[str, float]:
    mix = request.label_mix
    if not mix:
        return {}
    if request.label:
        raise RequestError(f"ask for the label {request.label!r} or for a mix of labels, not for both")
    known = ", ".join(model.labels) or "none"
    for label, weight in mix.items():
        if label not in model.labels:
            raise RequestError(f"model {model.name!r} has no label {label!r}; its labels are {known}")
        if not (math.isfinite(weight) and weight >= 0):
            raise RequestError(f"the weight of label {label!r} has to be 0 or more, not {weight}")
    total = math.fsum(mix.values())
    if not 0 < total < math.inf:
        raise RequestError("at least one label of a mix has to weigh more than 0")
    if not mixes_labels:
        raise RequestError(f"model {model.name!r} cannot mix labels: its graph takes one label an image")
    return {label: weight / total for label, weight in mix.items()}

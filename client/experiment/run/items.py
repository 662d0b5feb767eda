"""The images that a plan names, before any is read or drawn."""

from __future__ import annotations

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from ganpress.v1.generator_service_pb2 import ModelSummary
from ganpress.v1.model_card_pb2 import ModelCard

from client.api import GanpressClient
from client.errors import GanpressError, InputError, ServiceError
from client.experiment.plan.model import GeneratedSource, Plan, RealSource
from client.experiment.plan.reading import PlanFile
from client.experiment.run.data_set import DataSet, open_data_set, read_file
from client.experiment.store.figures import Figure, figures_of_card, figures_of_evaluation
from client.experiment.store.manifest import SourceEntry


@dataclass(frozen=True)
class Item:
    """One image that the plan names."""

    name: str
    """Path or member name; of a generated image `<model>-<label>-<seed>.png`."""
    label: str | None = None
    """Label."""
    seed: int | None = None
    """Seed that it is drawn from; of a grid that of its first image."""


@dataclass(frozen=True)
class Images:
    """A source of the plan, with the images that were found or will be drawn."""

    source: RealSource | GeneratedSource
    """The source."""
    entry: SourceEntry
    """What the manifest says of it."""
    items: list[Item]
    """Its images in their order."""
    data_set: DataSet | None
    """Where real images are read; None of generated ones."""
    truncation: float | None = None
    """Truncation that generated ones are drawn with."""
    figures: Sequence[Figure] = ()
    """The trainer's figures of what the model draws."""
    figures_origin: str = ""
    """Where they are from: `model card`, or a file."""


async def find_images(client: GanpressClient, plan_file: PlanFile) -> tuple[list[Images], list[str]]:
    """Returns the images of every source, and why optional ones were left out.

    Raises:
        InputError: A source has no images, or its model or a label is not there; the message names the line.
        ServiceError: The generator cannot be asked.
    """
    plan = plan_file.plan
    found: list[Images] = []
    left_out: list[str] = []
    for number, source in enumerate(plan.sources):
        try:
            if isinstance(source, RealSource):
                found.append(_real(source, plan))
            else:
                found.append(await _generated(client, source, plan))
        except ServiceError:
            raise
        except _SourceError as error:
            if not source.optional:
                raise plan_file.error(("sources", number, error.field), str(error)) from error
            left_out.append(f"source {source.name} is left out: {error}")
    if not found:
        raise InputError(f"no source of {plan_file.name} has images: " + "; ".join(left_out))
    return found, left_out


class _SourceError(GanpressError):
    """A source cannot be used; `field` is where the plan says what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def locate(data: str, path: str) -> str:
    """Returns a path of a plan as seen from here: its relative paths begin at `data`."""
    if "://" in path or Path(path).is_absolute():
        return path
    return path if data == "." else f"{data.rstrip('/')}/{path}"


def _real(source: RealSource, plan: Plan) -> Images:
    location = locate(plan.data, source.images)
    try:
        data_set = open_data_set(location)
    except InputError as error:
        raise _SourceError("images", str(error)) from error
    names = data_set.select(source.match)
    if not names:
        has = f"no image in {location} matches {source.match!r}" if data_set.names else "it has no images"
        first = f"; the first one there is {data_set.names[0]}" if data_set.names else ""
        raise _SourceError("match" if data_set.names else "images", f"{location}: {has}{first}")
    items = [Item(name, _folder(name) if source.labels == "folder" else None) for name in names]
    if source.only_labels:
        labels = sorted({item.label or "" for item in items})
        if missing := [label for label in source.only_labels if label not in labels]:
            raise _SourceError(
                "only_labels", f"no image has the label {missing[0]!r}; the labels are {', '.join(labels)}"
            )
        items = [item for item in items if item.label in source.only_labels]
    chosen = _draw(items, source.count, f"{plan.seed} {source.name}")
    return Images(source, _entry(source, chosen), chosen, data_set)


def _draw(items: Sequence[Item], count: int | None, seed: str) -> list[Item]:
    """Returns `count` of the items in their order, as equally from each label as can be."""
    if count is None or count >= len(items):
        return list(items)
    generator = random.Random(seed)  # noqa: S311 - a fair draw, no secret
    groups: dict[str | None, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        groups[item.label].append(place)
    queues = [generator.sample(places, len(places)) for _, places in sorted(groups.items(), key=str)]
    chosen: list[int] = []
    while len(chosen) < count:
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop())
    return [items[place] for place in sorted(chosen)]


async def _generated(client: GanpressClient, source: GeneratedSource, plan: Plan) -> Images:
    answer = await client.list_models()
    versions = [one for one in answer.models if one.name == source.model]
    if not versions:
        names = ", ".join(dict.fromkeys(one.name for one in answer.models)) or "none"
        raise _SourceError("model", f"the generator has no model {source.model!r}; it has {names}")
    model = next((one for one in versions if source.version in (0, one.version)), None)
    if not model:
        has = ", ".join(str(one.version) for one in versions)
        raise _SourceError("version", f"model {source.model} has no version {source.version}; it has {has}")
    labels = _labels(source, model)
    if source.count < len(labels):
        raise _SourceError(
            "count", f"{source.count} is too few for {len(labels)} labels: each needs an image"
        )
    card = await client.get_model(model.name, model.version)
    items = _generated_items(source, labels, plan.seed if source.seed is None else source.seed)
    entry = _entry(source, items).model_copy(
        update={
            "model": model.name,
            "model_version": model.version,
            "model_digest": model.digest,
            "architecture": card.architecture or None,
        }
    )
    figures, origin = _figures(source, plan, card)
    return Images(source, entry, items, None, source.truncation or 1.0, figures, origin)


def _figures(source: GeneratedSource, plan: Plan, card: ModelCard) -> tuple[list[Figure], str]:
    if not source.evaluation:
        return figures_of_card(card), "model card"
    location = locate(plan.data, source.evaluation)
    try:
        return figures_of_evaluation(read_file(location), location), location
    except InputError as error:
        raise _SourceError("evaluation", str(error)) from error


def _labels(source: GeneratedSource, model: ModelSummary) -> list[str]:
    if source.labels == "all":
        return list(model.labels)
    for label in source.labels:
        if label not in model.labels:
            has = f"its labels are {', '.join(model.labels)}" if model.labels else "it has none"
            raise _SourceError("labels", f"model {model.name} has no label {label!r}: {has}")
    return list(dict.fromkeys(source.labels))


def _generated_items(source: GeneratedSource, labels: Sequence[str], seed: int) -> list[Item]:
    extension = "jpg" if source.jpeg_quality else "png"
    step = source.grid.rows * source.grid.columns if source.grid else 1
    word = "-grid" if source.grid else ""
    wanted = labels or [""]
    items: list[Item] = []
    for number, label in enumerate(wanted):
        share = source.count // len(wanted) + (number < source.count % len(wanted))
        for first in range(seed, seed + share * step, step):
            name = "-".join(part for part in (source.model, label, str(first)) if part)
            items.append(Item(f"{name}{word}.{extension}", label or None, first))
    return items


def _entry(source: RealSource | GeneratedSource, items: Sequence[Item]) -> SourceEntry:
    text = json.dumps([list(asdict(item).values()) for item in items], separators=(",", ":"))
    return SourceEntry(
        name=source.name,
        kind=source.kind,
        images=len(items),
        items_sha256=hashlib.sha256(text.encode()).hexdigest(),
        data_set=source.data_set,
        split=source.split,
        labels=sorted({item.label for item in items if item.label}),
    )


def _folder(name: str) -> str | None:
    return PurePosixPath(name).parent.name or None

"""The sets that the runs of a study are trained on and held against.

A run's set has the images it is trained on as its training split, whichever split of the data they are
from, and images of the other split as its test split: unseen ones, for the metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainer.data import sets
from trainer.data.dataset import UNLABELLED, Dataset
from trainer.data.opening import open_or_prepare
from trainer.data.options import DataOptions
from trainer.data.sets import PreparedSet, SetInfo
from trainer.data.splits import TEST, TRAIN
from trainer.study.plan import RunPlan, StudyError

OPTIONS = {"cars": DataOptions(), "dogs": DataOptions(label="dog")}
"""How raw data is read: labels of cars are those of the data, all dogs have one."""
MAX_UNSEEN = 2_000
"""Images of the other split that are kept for metrics."""
SEED = 0
"""Of the choice of images: the same for all runs."""


def open_data(
    name: str, location: str, folder: Path, size_px: int, channels: int, progress: Callable[[int], None]
) -> PreparedSet:
    """Returns the whole set of the data `name`; raw data is prepared into the folder of the study, once.

    Raises:
        SourceError: the raw data cannot be used.
        SetError: a prepared set is damaged, or of another size.
    """
    is_raw = not sets.is_set(Path(location))
    return open_or_prepare(
        location, folder / "sets" / name, size_px=size_px, channels=channels,
        options=OPTIONS[name] if is_raw else None, progress=progress,
    )  # fmt: skip


def require_splits(prepared: PreparedSet, plans: list[RunPlan]) -> None:
    """Checks that the data has the splits that runs are trained on.

    Raises:
        StudyError: it has not; the message names the runs.
    """
    for plan in plans:
        if plan.split not in prepared.info.splits:
            there = ", ".join(prepared.info.splits)
            raise StudyError(
                f"{prepared.info.source} has no images in the split {plan.split!r}, which {plan.name} is "
                f"trained on; it has: {there}. Choose other runs with --only, or set images aside with "
                "ganpress-trainer prepare --test-share"
            )


def images_of(prepared: PreparedSet, plan: RunPlan) -> int:
    """Returns the number of images that a run is trained on."""
    return min(prepared.info.splits[plan.split].images, plan.max_images)


def open_run_set(prepared: PreparedSet, plan: RunPlan, folder: Path) -> PreparedSet:
    """Returns the set of a run, made at its first use; runs on the same data and split share it.

    Raises:
        StudyError: the folder holds one that was made otherwise.
        SetError: a set is damaged.
    """
    target = folder / "sets" / f"{plan.data}-{plan.split}"
    count = images_of(prepared, plan)
    digests = {name: split.sha256 for name, split in prepared.info.splits.items()}
    made_by = {"split": plan.split, "images": count, "of": digests}
    if not sets.is_set(target):
        _write(prepared, plan.split, count, made_by, target)
    found = sets.open_set(target)
    if found.info.options != made_by:
        raise StudyError(
            f"{target} was made of {found.info.options.get('images')} images of other data or another "
            f"choice, not of {count} of {prepared.info.source}: use another --out for another study"
        )
    return found


def _write(prepared: PreparedSet, split: str, count: int, made_by: dict[str, object], folder: Path) -> None:
    own, own_index = _chosen(prepared, split, count)
    present = sorted({int(label) for label in own.labels[own_index] if label != UNLABELLED})
    names = tuple(own.label_names[label] for label in present)
    # From a label's index in the whole set to that in this one; the last place is UNLABELLED's.
    new = np.full(len(own.label_names) + 1, UNLABELLED)
    new[present] = np.arange(len(present))
    other = TEST if split == TRAIN else TRAIN
    with sets.new_set_folder(folder) as partial:
        files = prepared.files(split)
        splits = {
            TRAIN: sets.write_split(
                partial, TRAIN, own.images, own_index, new[own.labels[own_index]],
                [files[i] for i in own_index], names,
            )
        }  # fmt: skip
        if other in prepared.info.splits:
            unseen, index = _chosen(prepared, other, MAX_UNSEEN)
            index = index[np.isin(unseen.labels[index], present)]
            files = prepared.files(other)
            if len(index):
                splits[TEST] = sets.write_split(
                    partial, TEST, unseen.images, index, new[unseen.labels[index]],
                    [files[i] for i in index], names,
                )  # fmt: skip
        info = SetInfo(
            **prepared.info.model_dump(include={"name", "terms", "size_px", "channels", "left_out"}),
            source=str(prepared.folder), source_kind="set", options=made_by, labels=names,
            files=prepared.info.files, splits=splits,
        )  # fmt: skip
        sets.write_info(partial, info)


def _chosen(prepared: PreparedSet, split: str, count: int) -> tuple[Dataset, np.ndarray]:
    """Returns a split, and the positions of `count` of its images in their order, or of all."""
    data = prepared.split(split)
    order = np.random.default_rng(SEED).permutation(len(data.images))
    return data, np.sort(order[:count])

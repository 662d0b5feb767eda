"""Which runs a study consists of: the eight of the 2022 study's table, or others beside them."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from trainer.config import Config, ConfigError, resolve
from trainer.data.splits import TEST, TRAIN
from trainer.errors import TrainerError
from trainer.study.record import Published

DATA = ("cars", "dogs")
SPLITS = (TRAIN, TEST)
PRESETS = ("dcgan", "wgan-gp")
"""The study's DCGAN and CGAN."""
EPOCHS = 50.0


class StudyError(TrainerError):
    """A study cannot be done as asked; the message says why and what would be accepted."""


@dataclass(frozen=True)
class _Row:
    """One row of the study's table."""

    images: int
    batch_size: int
    minutes: dict[str, int]
    """Duration by the study's name of the model."""


_TABLE = {
    ("cars", TRAIN): _Row(8_000, 20, {"DCGAN": 52, "CGAN": 162}),
    ("cars", TEST): _Row(8_000, 20, {"DCGAN": 48, "CGAN": 154}),
    ("dogs", TRAIN): _Row(4_000, 15, {"DCGAN": 28, "CGAN": 73}),
    ("dogs", TEST): _Row(1_000, 5, {"DCGAN": 12, "CGAN": 23}),
}
_MODEL_OF_ARCHITECTURE = {"dcgan": "DCGAN", "wgan-gp": "CGAN", "cgan": "CGAN", "cgan-mirza": "CGAN"}
"""The study's model that an architecture is held against: without labels, or with."""


@dataclass(frozen=True)
class RunPlan:
    """One run of a study."""

    name: str
    """`<data>-<split>-<preset>`, and `-seed<n>` for other seeds than 0."""
    data: str
    """`cars` or `dogs`."""
    split: str
    """`train` or `test`: the images it is trained on."""
    preset: str
    """Name of the preset."""
    config: Config
    """Its settings."""
    max_images: int
    """It is trained on so many images of the split, or on all if there are fewer."""

    @property
    def published(self) -> Published | None:
        """What the study says of this run; None where it trained no such model."""
        row = _TABLE[self.data, self.split]
        model = _MODEL_OF_ARCHITECTURE.get(self.config.architecture)
        if model is None:
            return None
        return Published(
            model=model,
            images=row.images,
            batch_size=row.batch_size,
            epochs=EPOCHS,
            duration_s=60.0 * row.minutes[model],
        )


def plan_runs(
    *,
    presets: Sequence[str] = PRESETS,
    seeds: int = 1,
    images: int | None = None,
    only: Sequence[str] = (),
    file: Path | None = None,
    flags: dict[str, Any] | None = None,
) -> list[RunPlan]:
    """Returns the runs in the order in which they are done: per data set and split, model beside model.

    All runs have the study's epochs and batch sizes, and the same size of images, length of the latent
    vector, order of the images and seed; networks, loss and optimiser are the presets'. `file` and `flags`
    change settings of all runs.

    Args:
        presets: names of presets.
        seeds: every run is done with the seeds 0 to seeds - 1.
        images: most images of a set; None: as many as the study took.
        only: names of runs, or shell patterns of such; none: all.
        file: TOML file of settings.
        flags: settings that beat the file's; None counts as not given.

    Raises:
        ConfigError: a preset or setting is not known or not valid.
        StudyError: `only` names no run.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    common: dict[str, Any] = {"epochs": EPOCHS} | (_read(file) if file else {}) | given
    if "seed" in common:
        raise ConfigError("seed cannot be set for a study: it does its runs with the seeds 0, 1, ...")
    runs = [
        RunPlan(
            name="-".join([data, split, preset] + [f"seed{seed}"] * bool(seed)),
            data=data,
            split=split,
            preset=preset,
            config=resolve(preset, None, {"batch_size": row.batch_size} | common | {"seed": seed}),
            max_images=images or row.images,
        )
        for (data, split), row in _TABLE.items()
        for preset in dict.fromkeys(presets)
        for seed in range(seeds)
    ]
    return _chosen(runs, only) if only else runs


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: TOML, UTF-8, and endless numbers
        raise ConfigError(f"{file} is not a readable TOML file: {error}") from error


def _chosen(runs: list[RunPlan], only: Sequence[str]) -> list[RunPlan]:
    for pattern in only:
        if not any(fnmatch(run.name, pattern) for run in runs):
            names = ", ".join(run.name for run in runs)
            raise StudyError(f"there is no run {pattern!r} in this study; there are: {names}")
    return [run for run in runs if any(fnmatch(run.name, pattern) for pattern in only)]

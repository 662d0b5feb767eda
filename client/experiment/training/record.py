"""Reads a study's folder; docs/training-study.md describes its files.

Only what the report shows is named here; other fields of study.json are passed over.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from client.errors import InputError

FILE = "study.json"
FORMAT, VERSION = "ganpress-study", 1


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Published(_Record):
    """What the 2022 study says of a run."""

    model: str
    """DCGAN or CGAN."""
    images: int
    """Images it trained on."""
    batch_size: int
    """Images a step."""
    epochs: float
    """Passes over the images."""
    duration_s: float
    """Time it took."""
    hardware: str
    """What it ran on."""

    @property
    def images_per_s(self) -> float:
        """Images a second over the whole run."""
        return self.images * self.epochs / self.duration_s


class Losses(_Record):
    """Means over the last epoch."""

    discriminator: float
    """The discriminator's."""
    generator: float
    """The generator's."""


class Figure(_Record):
    """One measured quality."""

    name: str
    """Name, ending in the features it was measured on, such as `kid_lite0`."""
    value: float
    """Mean over the draws."""
    spread: float | None = None
    """Standard deviation over the draws."""
    real: float | None = None
    """What photographs score."""
    chance: float | None = None
    """What guessing scores."""
    method: str = ""
    """How it was measured."""


class Evaluation(_Record):
    """Quality of the images of one run."""

    images: int
    """Images a draw."""
    seeds: int
    """Draws."""
    figures: tuple[Figure, ...]
    """What was measured."""
    not_measured: dict[str, str] = {}
    """Why a figure is missing, by name."""
    notes: tuple[str, ...] = ()
    """What a reader should know."""


class Files(_Record):
    """Paths within the folder."""

    run: str
    """Folder of the run."""
    real: str
    """Grid of images it was trained on."""
    generated: str
    """Grid of images it draws."""


class Settings(_Record):
    """Settings of a run."""

    batch_size: int
    epochs: float
    image_size_px: int


class Run(_Record):
    """One run; what is not known yet is None."""

    name: str
    """Name, which is that of its folders."""
    status: str
    """planned, begun, finished, diverged or collapsed."""
    data: str
    """`cars` or `dogs`."""
    split: str
    """`train` or `test`."""
    preset: str
    """The trainer's name of the model."""
    seed: int
    """Seed."""
    config: Settings
    """Its settings."""
    images: int
    """Images it is trained on."""
    published: Published | None = None
    """The study's figures."""
    device: str | None = None
    """What computed it."""
    epochs: float | None = None
    """Passes over the images that were done."""
    duration_s: float | None = None
    """Time of training."""
    images_per_s: float | None = None
    """Images a second over the whole run."""
    losses: Losses | None = None
    """Losses at the end."""
    diversity: float | None = None
    """How varied the samples are; 1: as photographs."""
    warnings: tuple[str, ...] = ()
    """What the run warned of."""
    error: str | None = None
    """Why it ended early."""
    evaluation: Evaluation | None = None
    """Quality of its images."""
    not_measured: str | None = None
    """Why there is no evaluation."""
    files: Files
    """Where its files are."""

    @property
    def times_as_fast(self) -> float | None:
        """Our images a second over the study's."""
        if self.images_per_s and self.published:
            return self.images_per_s / self.published.images_per_s
        return None

    @property
    def at_study_size_s(self) -> float | None:
        """What the study's images and epochs would take at our speed."""
        factor = self.times_as_fast
        return self.published.duration_s / factor if factor and self.published else None


class Machine(_Record):
    """What the study was done on."""

    cpu: str
    cores: int
    gpu: str | None = None
    memory_bytes: int
    system: str


class TrainingStudy(_Record):
    """What study.json says."""

    command: str
    """Command line that continues it."""
    machine: Machine
    """What it was done on."""
    versions: dict[str, str]
    """Versions of Python and packages."""
    runs: tuple[Run, ...]
    """The runs, in the order of the study's table."""


@dataclass(frozen=True)
class LossRows:
    """Losses of a run over its steps, each a mean since the row before."""

    epochs: list[float]
    """Passes over the images."""
    discriminator: list[float]
    """The discriminator's losses."""
    generator: list[float]
    """The generator's losses."""


def is_study(folder: Path) -> bool:
    """Tells whether a folder claims to be a training study."""
    return (folder / FILE).is_file()


def read_study(folder: Path) -> TrainingStudy:
    """Returns what study.json in the folder says.

    Raises:
        InputError: It is damaged, or no study.json of a version that is known here.
    """
    path = folder / FILE
    try:
        content: Any = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict) or cast("dict[str, Any]", content).get("format") != FORMAT:
        raise InputError(f"{path} is no study of ganpress-trainer: its format is not {FORMAT!r}")
    if (version := cast("dict[str, Any]", content).get("version")) != VERSION:
        raise InputError(f"{path} is of format version {version!r}: this program reads {VERSION}")
    try:
        return TrainingStudy.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path} is damaged: {where}: {first['msg']}") from error


def read_losses(folder: Path, run: Run) -> LossRows:
    """Returns the losses of a run from its metrics.jsonl; lines that are no row are left out."""
    return parse_losses((read_file(folder, f"{run.files.run}/metrics.jsonl") or b"").decode(errors="replace"))


def parse_losses(text: str) -> LossRows:
    """Returns the losses in the text of a metrics.jsonl; lines that are no row are left out."""
    epochs: list[float] = []
    losses: list[tuple[float, float]] = []
    for line in text.splitlines():
        try:
            row = json.loads(line)
            epoch, pair = float(row["epoch"]), (float(row["d_loss"]), float(row["g_loss"]))
        except (ValueError, KeyError, TypeError):
            continue
        if all(map(math.isfinite, (epoch, *pair))):
            epochs.append(epoch)
            losses.append(pair)
    return LossRows(epochs, [pair[0] for pair in losses], [pair[1] for pair in losses])


def read_file(folder: Path, name: str) -> bytes | None:
    """Returns the content of a file of the study, None where there is none inside its folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        return None
    return path.read_bytes()

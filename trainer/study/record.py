"""What study.json says: the runs of a study, what came of them, and the study's own figures.

The file is the interface to `client experiment report` (docs/training-study.md). Several processes may
work on one study: each changes the records of its own runs, under a lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from trainer.errors import TrainerError
from trainer.files import write_atomically
from trainer.metrics.record import Evaluation

FILE = "study.json"
FORMAT, VERSION = "ganpress-study", 1
PACKAGES = ("ganpress", "torch", "torchvision", "numpy", "pillow")

Status = Literal["planned", "begun", "finished", "diverged", "collapsed"]
"""The last three are the end of a run."""


class RecordError(TrainerError):
    """study.json cannot be used; the message says why and what to do."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Published(_Record):
    """What the 2022 study says of a run."""

    model: str
    """Its name of the model: DCGAN or CGAN."""
    images: int
    """Images it trained on."""
    batch_size: int
    """Images a step."""
    epochs: float
    """Passes over the images."""
    duration_s: float
    """Time it took."""
    hardware: str = "one Colab GPU"
    """What it ran on."""


class Losses(_Record):
    """Means over the last epoch."""

    discriminator: float
    """The discriminator's adversarial loss, without penalties."""
    generator: float
    """The generator's."""


class Files(_Record):
    """Paths within the study's folder, with forward slashes; a file that could not be made is missing."""

    run: str
    """Folder of the run."""
    real: str
    """PNG: a grid of images it was trained on."""
    generated: str
    """PNG: a grid of images it draws, in the same places the same labels."""
    neighbours: str
    """PNG: generated images beside the training images nearest to them."""


class RunRecord(_Record):
    """One run; what is not known yet is None."""

    name: str
    """`<data>-<split>-<preset>`, and `-seed<n>` for other seeds than 0."""
    status: Status = "planned"
    """How far it is."""
    data: str
    """`cars` or `dogs`."""
    split: str
    """`train` or `test`."""
    preset: str
    """Name of the preset."""
    seed: int
    """Seed of weights, noise and order."""
    config: dict[str, Any]
    """Its settings, as in config.json of a run."""
    data_name: str
    """Name of the data."""
    data_sha256: str
    """Digest of the images and labels it is trained on."""
    images: int
    """Number of images it is trained on."""
    images_per_label: dict[str, int]
    """The same by label."""
    unseen_images: int
    """Images of the other split that metrics use."""
    published: Published | None
    """The study's figures; None where it trained no such model."""
    device: str | None = None
    """What computed it."""
    steps: int | None = None
    """Steps done."""
    epochs: float | None = None
    """Passes over the images that were done."""
    duration_s: float | None = None
    """Time of training, with grids and checkpoints, without metrics."""
    images_per_s: float | None = None
    """Real images that went into steps a second, each step's batch counted once."""
    losses: Losses | None = None
    """Losses at the end."""
    diversity: float | None = None
    """How varied the samples of the worst label are at the end; 1: as the photographs are."""
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
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.status in ("finished", "diverged", "collapsed")


class Machine(_Record):
    """What a study was done on, last."""

    cpu: str
    """Model of the processor."""
    cores: int
    """Cores that the process may use."""
    gpu: str | None
    """Model of the GPU, None without."""
    memory_bytes: int
    """Memory of the machine."""
    system: str
    """Operating system."""


class StudyRecord(_Record):
    """All of study.json."""

    format: Literal["ganpress-study"] = FORMAT
    version: Literal[1] = VERSION
    command: str
    """Command line that continues it."""
    machine: Machine
    """What it was done on."""
    versions: dict[str, str]
    """Versions of Python and packages."""
    runs: tuple[RunRecord, ...] = ()
    """The runs, in the order of the study's table."""

    def run(self, name: str) -> RunRecord:
        """Returns the run of this name, which there is."""
        return next(run for run in self.runs if run.name == name)


def read(folder: Path) -> StudyRecord | None:
    """Returns the record of the study in a folder, None when there is none.

    Raises:
        RecordError: it is damaged, or of another version.
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RecordError(f"{path} is damaged: {error}") from error
    there = content.get("version") if isinstance(content, dict) else None
    if there is not None and there != VERSION:
        raise RecordError(f"{path} is of format version {there}; this program reads {VERSION}")
    try:
        return StudyRecord.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or FILE
        raise RecordError(f"{path} is damaged, or of another GanPress: {where}: {first['msg']}") from error


def write(folder: Path, record: StudyRecord) -> None:
    """Replaces study.json."""
    write_atomically(folder / FILE, (record.model_dump_json(indent=2) + "\n").encode())


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Holds a lock file against other processes; gives whether it was got, which `wait` makes sure of.

    The lock goes with the process, however it ends.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def this_machine() -> Machine:
    """Returns the machine that this process runs on."""
    return Machine(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{platform.system()} {platform.machine()}",
    )


def these_versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that matter."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")

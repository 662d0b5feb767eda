"""Reads one run of ganpress-trainer; docs/training.md describes its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from client.errors import InputError
from client.experiment.report.blocks import Column, Picture, Table, Value
from client.experiment.training.images import read_picture
from client.experiment.training.record import LossRows, parse_losses

METRICS, CONFIG, EVALUATION, DATA = "metrics.jsonl", "config.json", "evaluation.json", "data.json"
_FIGURES = {"fd_lite0": "FD", "kid_lite0": "KID", "coverage_lite0": "coverage"}


@dataclass(frozen=True)
class PlainRun:
    """What a report says of a run."""

    name: str
    """The folder's name, or with its parent's where that is not `runs`."""
    architecture: str
    """Architecture of its networks."""
    loss: str
    """Its loss."""
    epochs: float
    """Passes over the images that were done."""
    batch_size: int
    """Images a step."""
    image_size_px: int
    """Side of its images."""
    images: int | None
    """Images it was trained on."""
    elapsed_s: float
    """Time it took."""
    images_per_s: float | None
    """Median images a second."""
    figures: dict[str, float]
    """What was measured, by name."""
    losses: LossRows
    """Its losses."""
    samples: Picture | None
    """Its newest grid of samples."""


def is_run(folder: Path) -> bool:
    """Tells whether a folder is that of a run."""
    return (folder / METRICS).is_file() and (folder / CONFIG).is_file()


def read_run(folder: Path) -> PlainRun:
    """Returns what a run's folder says; lines of its metrics that are none are left out.

    Raises:
        InputError: A file of it is damaged.
    """
    config = _read_json(folder / CONFIG)
    rows = [
        row for line in (folder / METRICS).read_text(encoding="utf-8").splitlines() if (row := _row(line))
    ]
    last = rows[-1] if rows else {}
    speeds = sorted(float(row["images_per_s"]) for row in rows if "images_per_s" in row)
    evaluation = _read_json(folder / EVALUATION) if (folder / EVALUATION).is_file() else {}
    data = _read_json(folder / DATA) if (folder / DATA).is_file() else {}
    name = folder.resolve().name
    grids = sorted((folder / "samples").glob("*.png"))
    samples = read_picture(grids[-1].read_bytes(), name, grids[-1].stem.replace("-", " ")) if grids else None
    try:
        return PlainRun(
            name=name,
            architecture=str(config["architecture"]),
            loss=str(config["loss"]),
            epochs=float(last.get("epoch", 0)),
            batch_size=int(config["batch_size"]),
            image_size_px=int(config["image_size_px"]),
            images=data.get("images"),
            elapsed_s=float(last.get("elapsed_s", 0)),
            images_per_s=speeds[len(speeds) // 2] if speeds else None,
            figures={one["name"]: float(one["value"]) for one in evaluation.get("figures", ())},
            losses=parse_losses((folder / METRICS).read_text(encoding="utf-8")),
            samples=samples,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder} is no run that this version reads: {type(error).__name__}: {error}"
        ) from error


def runs_table(runs: Sequence[PlainRun]) -> Table:
    """Returns a row for each run."""
    measured = [name for name in _FIGURES if any(name in run.figures for run in runs)]
    columns = [
        Column("run", "run"),
        Column("architecture", "architecture"),
        Column("loss", "loss"),
        Column("images", "images", "d"),
        Column("image_size_px", "px", "d"),
        Column("batch_size", "batch", "d"),
        Column("epochs", "epochs", ".1f"),
        Column("elapsed_min", "minutes", ".1f"),
        Column("images_per_s", "images/s", ".0f"),
        *(Column(name, _FIGURES[name], ".4g") for name in measured),
    ]
    rows: list[list[Value]] = [
        [
            run.name, run.architecture, run.loss, run.images, run.image_size_px, run.batch_size, run.epochs,
            run.elapsed_s / 60, run.images_per_s, *(run.figures.get(name) for name in measured),
        ]
        for run in runs
    ]  # fmt: skip
    caption = (
        "Runs; FD and KID are distances from photographs (smaller is better), coverage is the share of "
        "photographs near."
    )
    return Table("runs", caption, columns, rows)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing") from error
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}") from error


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", row) if isinstance(row, dict) else None

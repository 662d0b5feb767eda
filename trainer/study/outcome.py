"""What is kept of a run when its training has ended: its numbers, grids of pictures, and metrics."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from trainer.data.dataset import Dataset
from trainer.data.sets import PreparedSet
from trainer.files import write_atomically
from trainer.logs import Row, read_rows
from trainer.loop import Trainer
from trainer.metrics import MetricsError
from trainer.metrics.evaluation import evaluate
from trainer.metrics.features import extractor
from trainer.metrics.sheet import neighbour_sheet
from trainer.metrics.targets import open_target
from trainer.pictures import grid
from trainer.sampling import draw, load_generator
from trainer.study.record import Losses

GRID_COLUMNS, GRID_ROWS, MAX_GRID_ROWS = 8, 6, 10
SEED = 0
"""Of the choice of real images in a grid, and of the noise."""


@dataclass(frozen=True)
class Measuring:
    """How the quality of a run's images is measured."""

    features: Sequence[str]
    """Names of extractors; none: it is not measured."""
    images: int = 1000
    """Images a draw."""
    seeds: int = 3
    """Draws."""


def device_of(run: Path) -> str:
    """Returns what computes a run, as it says itself."""
    return json.loads((run / "environment.json").read_text(encoding="utf-8"))["device"]


def numbers(trainer: Trainer) -> dict[str, Any]:
    """Returns the numbers of a run whose training has ended, as fields of its record."""
    duration_s, images = trainer.duration_s, trainer.step * trainer.config.batch_size
    rows = read_rows(trainer.run / "metrics.jsonl")
    last = [row["diversity_min"] for row in rows if "diversity_min" in row][-1:]
    return {
        "steps": trainer.step,
        "epochs": trainer.step / trainer.steps_per_epoch,
        "duration_s": duration_s,
        "images_per_s": images / duration_s if duration_s else None,
        "losses": _last_losses(rows),
        "diversity": last[0] if last else None,
    }


def _last_losses(rows: list[Row]) -> Losses | None:
    """Returns the means over the last epoch; a row holds the means since the one before it."""
    if not rows:
        return None
    ends = np.array([row["epoch"] for row in rows])
    starts = np.concatenate([[0.0], ends[:-1]])
    weights = np.maximum(ends - np.maximum(starts, ends[-1] - 1), 0)
    means = [float(np.average([row[name] for row in rows], weights=weights)) for name in ("d_loss", "g_loss")]
    return Losses(discriminator=means[0], generator=means[1])


def measure(
    folder: Path, name: str, prepared: PreparedSet, device: torch.device, measuring: Measuring
) -> dict[str, Any]:
    """Writes grids of real and generated images, measures their quality, and returns fields of the record.

    Args:
        folder: of the study.
        name: of the run.
        prepared: its set.
        device: where to compute.
        measuring: what to measure.
    """
    run, own = folder / "runs" / name, folder / name
    if not (run / "checkpoint.pt").exists():
        return {"not_measured": "it diverged before its first checkpoint"}
    own.mkdir(exist_ok=True)
    _write_grids(run, own, prepared.split(), device)
    if not measuring.features:
        return {"not_measured": "no features were asked for"}
    info = prepared.info
    try:
        target = open_target(run, info.size_px, info.channels, "average", device)
        extractors = [extractor(features, device) for features in measuring.features]
        evaluation, neighbours = evaluate(
            target, prepared, extractors, n=measuring.images, seeds=measuring.seeds
        )
    except MetricsError as error:
        return {"not_measured": str(error)}
    evaluation.write(run)
    _write_png(run / "neighbours.png", neighbour_sheet(neighbours))
    # A path within the study stays true when its folder moves.
    return {"evaluation": evaluation.model_copy(update={"target": f"runs/{name}"}), "not_measured": None}


def _write_grids(run: Path, own: Path, data: Dataset, device: torch.device) -> None:
    """Writes real.png and generated.png: a row a label where the run knows several, else any images."""
    trained = load_generator(run)
    rng = np.random.default_rng(SEED)
    if len(trained.labels) > 1:
        rows = np.arange(min(len(trained.labels), MAX_GRID_ROWS))
        labels = rows.repeat(GRID_COLUMNS)
        chosen = np.concatenate([_any_of(np.flatnonzero(data.labels == row), rng) for row in rows])
    else:
        chosen = _any_of(np.arange(len(data.images)), rng, GRID_ROWS * GRID_COLUMNS)
        labels = np.zeros(len(chosen), np.int64)
    _write_png(own / "real.png", grid(data.images[chosen], GRID_COLUMNS))
    images = draw(trained.generator.to(device), labels, SEED)
    _write_png(own / "generated.png", grid(images, GRID_COLUMNS))


def _any_of(positions: np.ndarray, rng: np.random.Generator, count: int = GRID_COLUMNS) -> np.ndarray:
    """Returns `count` of the positions, some again where there are fewer."""
    return rng.choice(positions, count, replace=len(positions) < count)


def _write_png(path: Path, image: Image.Image) -> None:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())

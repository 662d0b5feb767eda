"""The sections of a report about training: quality, losses, samples, of runs and of whole studies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from client.errors import InputError
from client.experiment.report.blocks import Block, Chart, Gallery, Panel, Picture, Section, Series, Text
from client.experiment.training import report
from client.experiment.training.images import read_picture
from client.experiment.training.plain import PlainRun, is_run, read_run, runs_table
from client.experiment.training.record import (
    LossRows,
    Run,
    TrainingStudy,
    is_study,
    read_file,
    read_losses,
    read_study,
)

MAX_POINTS = 300
"""Longer curves are drawn as means of neighbouring rows."""
_SPLITS = {"train": "training split", "test": "test split"}
_LOSSES = (
    "Losses over epochs; strong lines are running means, and the highest and lowest per cent are out of "
    "the frame. Losses "
    "of different models do not compare."
)


def training_sections(folders: Sequence[Path]) -> list[Section]:
    """Returns the sections about folders that the trainer wrote, runs and studies.

    Raises:
        InputError: A folder is neither, or damaged.
    """
    runs: list[PlainRun] = []
    sections: list[Section] = []
    for folder in folders:
        if is_study(folder):
            sections += study_sections(folder, read_study(folder))
        elif is_run(folder):
            runs.append(read_run(folder))
        else:
            raise InputError(
                f"{folder} is neither a training study (study.json) nor a run (metrics.jsonl and "
                "config.json) of "
                "ganpress-trainer"
            )
    return (_run_sections(runs) if runs else []) + sections


def _run_sections(runs: Sequence[PlainRun]) -> list[Section]:
    blocks: list[Block] = [runs_table(runs)]
    if chart := _chart([(run.name, run.losses) for run in runs], "runs"):
        blocks.append(chart)
    pictures = [run.samples for run in runs if run.samples]
    if pictures:
        blocks += [Text("The newest grid of samples of each run."), Gallery(pictures)]
    return [Section("training", "Training", blocks)]


def study_sections(folder: Path, study: TrainingStudy) -> list[Section]:
    """Returns the sections about a training study in a folder."""
    bars = report.times_chart(study.runs)
    times: list[Block] = [bars] if bars else []
    times += [report.times(study.runs), Text(report.TIMES_NOTE, "note")]
    sections = [Section("times", "Training times", times)]
    tables = report.quality(study.runs)
    if tables:
        sections.append(Section("quality", "Quality", [*tables, Text(report.QUALITY_NOTE, "note")]))
    if galleries := _galleries(folder, study.runs):
        text = (
            "Photographs it was trained on at the left, images it draws at the right, by the average of its "
            "weights. Where a model knows several labels, each row is a label, the same on both sides."
        )
        sections.append(Section("samples", "Real beside generated", [Text(text), *galleries]))
    chart = _chart([(run.name, read_losses(folder, run)) for run in study.runs], "study")
    blocks: list[Block] = [chart] if chart else []
    sections.append(
        Section("losses", "Losses", [*blocks, report.losses(study.runs), Text(report.LOSSES_NOTE, "note")])
    )
    return sections


def _galleries(folder: Path, runs: Sequence[Run]) -> list[Block]:
    blocks: list[Block] = []
    for data, split in dict.fromkeys((run.data, run.split) for run in runs):
        pictures: list[Picture] = []
        for run in runs:
            if (run.data, run.split) != (data, split) or run.seed != 0:
                continue
            for kind, name in (("real", run.files.real), ("generated", run.files.generated)):
                found = read_file(folder, name)
                picture = read_picture(found, f"{run.name}: {kind}", "") if found else None
                pictures += [picture] if picture else []
        if pictures:
            title = f"**{data.capitalize()}, {_SPLITS.get(split, split)}**"
            blocks += [Text(title), Gallery(pictures)]
    return blocks


def _chart(runs: Sequence[tuple[str, LossRows]], name: str) -> Chart | None:
    panels = [Panel(title, _series(rows)) for title, rows in runs if len(rows.epochs) > 1]
    return Chart(f"losses-{name}", "losses", _LOSSES, "epoch", {"loss": "loss"}, panels) if panels else None


def _series(rows: LossRows) -> list[Series]:
    size = -(-len(rows.epochs) // MAX_POINTS)
    epochs = _means(rows.epochs, size)
    return [
        Series("discriminator", 0, epochs, {"loss": _means(rows.discriminator, size)}),
        Series("generator", 1, epochs, {"loss": _means(rows.generator, size)}),
    ]


def _means(values: Sequence[float], size: int) -> list[float]:
    parts = [values[start : start + size] for start in range(0, len(values), size)]
    return [sum(part) / len(part) for part in parts]

"""The outcome of a study for people and for programs: study.md, study.csv and study.parquet."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trainer.files import write_atomically
from trainer.metrics.record import Evaluation, Figure
from trainer.study.estimate import Estimate
from trainer.study.record import RunRecord, StudyRecord

KINDS = {"kid": "KID", "fd": "FD", "coverage": "coverage", "cas": "CAS", "label_accuracy": "label accuracy"}
"""Metrics in the tables for people, with their names there; evaluation.json of each run has all."""
TEXT_COLUMNS = ("device", "study_model")
"""Columns of text that may be empty."""

TIMES_NOTE = (
    "Our times are those of training with sample grids and checkpoints, without metrics. The last column is "
    "the study's number of images and epochs at our speed. The study ran on one Colab GPU."
)
QUALITY_NOTE = (
    "Losses are means over the last epoch; those of different presets do not compare. Diversity is that of "
    "the worst label's samples, 1 as varied as photographs. In brackets is what photographs score among "
    "themselves; ± is the standard deviation over the draws. The study measured no quality."
)


@dataclass(frozen=True)
class Table:
    """A table of text."""

    head: list[str]
    """Titles of the columns; the first column is text, the others numbers."""
    rows: list[list[str]]
    """The cells."""


def estimates(runs: Sequence[Estimate]) -> Table:
    """Returns the table of what runs will take, beside the study's times."""
    head = ["run", "images", "batch", "epochs", "images/s", "time", "study: time"]
    rows: list[list[str]] = []
    for run in runs:
        config, study = run.plan.config, run.plan.published
        rows.append([
            run.plan.name, f"{run.images:,}", str(config.batch_size), f"{config.epochs:g}",
            f"{config.batch_size / run.s_per_step:.0f}", _time(run.duration_s),
            _time(study.duration_s) if study else "",
        ])  # fmt: skip
    return Table(head, rows)


def times(record: StudyRecord) -> Table:
    """Returns the table of times: each run beside the study's."""
    head = [
        "run", "study: images", "study: time", "study: images/s", "images", "epochs", "time", "images/s",
        "times as fast", "time for the study's images",
    ]  # fmt: skip
    return Table(head, [_times_row(run) for run in record.runs])


def _times_row(run: RunRecord) -> list[str]:
    study, row = run.published, flat(run)
    epochs = f"{run.config['epochs']:g}" if run.epochs is None else f"{run.epochs:.4g}"
    return [
        run.name,
        f"{study.images:,}" if study else "",
        _time(study.duration_s) if study else "",
        _number(row["study_images_per_s"], ".0f"),
        f"{run.images:,}",
        epochs,
        _time(run.duration_s),
        _number(run.images_per_s, ".0f"),
        _number(row["times_as_fast"], ".2f"),
        _time(row["time_at_study_size_s"]),
    ]


def quality(record: StudyRecord) -> Table:
    """Returns the table of losses and metrics, the value of real photographs in brackets."""
    names = _metric_names(record.runs)
    head = ["run", "state", "D loss", "G loss", "diversity", *(title for title in names.values())]
    rows: list[list[str]] = []
    for run in record.runs:
        figures = _figures(run.evaluation)
        losses = (run.losses.discriminator, run.losses.generator) if run.losses else (None, None)
        numbers = [_number(value, ".3f") for value in losses] + [_number(run.diversity, ".2f")]
        rows.append([run.name, run.status, *numbers, *(_figure(figures.get(name)) for name in names)])
    return Table(head, rows)


def write(folder: Path, record: StudyRecord) -> None:
    """Writes study.md, study.csv and study.parquet to the folder."""
    rows = [flat(run) for run in record.runs]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table({name: _column(name, [row.get(name) for row in rows]) for name in names}), buffer)
    for suffix, data in (
        ("md", to_markdown(record).encode()),
        ("csv", text.getvalue().encode()),
        ("parquet", buffer.getvalue().to_pybytes()),
    ):
        write_atomically(folder / f"study.{suffix}", data)


def _column(name: str, values: list[Any]) -> pa.Array:
    """Returns a column that has its type even when nothing is known yet."""
    if any(value is not None for value in values):
        return pa.array(values)
    return pa.array(values, pa.string() if name in TEXT_COLUMNS else pa.float64())


def flat(run: RunRecord) -> dict[str, Any]:
    """Returns a run as one row of numbers and texts by column; docs/training-study.md says what they hold."""
    study = run.published
    ours, theirs = run.images_per_s, None
    if study:
        theirs = study.images * study.epochs / study.duration_s
    row: dict[str, Any] = {
        "name": run.name, "status": run.status, "data": run.data, "split": run.split,
        "preset": run.preset, "seed": run.seed, "images": run.images,
        "labels": sum(count > 0 for count in run.images_per_label.values()),
        "batch_size": run.config["batch_size"], "image_size_px": run.config["image_size_px"],
        "epochs": run.epochs, "steps": run.steps, "device": run.device, "duration_s": run.duration_s,
        "images_per_s": ours,
        "study_model": study.model if study else None,
        "study_images": study.images if study else None,
        "study_batch_size": study.batch_size if study else None,
        "study_duration_s": study.duration_s if study else None,
        "study_images_per_s": theirs,
        "times_as_fast": ours / theirs if ours and theirs else None,
        "time_at_study_size_s": study.images * study.epochs / ours if study and ours else None,
        "d_loss": run.losses.discriminator if run.losses else None,
        "g_loss": run.losses.generator if run.losses else None,
        "diversity": run.diversity,
        "metric_images": run.evaluation.images if run.evaluation else None,
        "metric_seeds": run.evaluation.seeds if run.evaluation else None,
    }  # fmt: skip
    for name, figure in _figures(run.evaluation).items():
        row |= {name: figure.value, f"{name}_spread": figure.spread, f"{name}_real": figure.real}
    return row


def to_markdown(record: StudyRecord) -> str:
    """Returns the tables with what a reader needs to know."""
    machine = record.machine
    gpu = f", {machine.gpu}" if machine.gpu else ""
    versions = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    parts = [
        "# Training study",
        f"- {machine.cpu}, {machine.cores} cores{gpu}; {machine.system}\n- {versions}\n- `{record.command}`",
        "## Times",
        _markdown(times(record)),
        TIMES_NOTE,
        "## Quality",
        _markdown(quality(record)),
        QUALITY_NOTE,
    ]
    notes: dict[str, list[str]] = {}
    for run in record.runs:
        for text in _notes(run):
            notes.setdefault(text, []).append(run.name)
    if notes:
        parts += ["## Notes", "\n".join(f"- {', '.join(names)}: {text}" for text, names in notes.items())]
    return "\n\n".join(parts) + "\n"


def _notes(run: RunRecord) -> list[str]:
    notes = [run.error, *run.warnings]
    if run.not_measured:
        notes.append(f"quality was not measured: {run.not_measured}")
    if run.evaluation:
        missing = run.evaluation.not_measured
        for reason in dict.fromkeys(missing.values()):
            names = [name for name, why in missing.items() if why == reason]
            notes.append(f"not measured: {', '.join(names)}: {reason}")
        notes += run.evaluation.notes
    return [" ".join(note.split()) for note in notes if note]


def _metric_names(runs: Sequence[RunRecord]) -> dict[str, str]:
    """Returns the names of the metrics to show, in order, with their titles."""
    measured = dict.fromkeys(name for run in runs for name in _figures(run.evaluation))
    return {
        name: f"{KINDS[kind]} ({features})"
        for name in measured
        for kind, _, features in [name.rpartition("_")]
        if kind in KINDS
    }


def _figures(evaluation: Evaluation | None) -> dict[str, Figure]:
    return {figure.name: figure for figure in evaluation.figures} if evaluation else {}


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return ""
    spread = "" if figure.spread is None else f" ± {_short(figure.spread)}"
    real = "" if figure.real is None else f" ({_short(figure.real)})"
    return f"{_short(figure.value)}{spread}{real}"


def _short(value: float) -> str:
    """Returns a number with as many digits as mean something."""
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.3f}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _time(seconds: float | None) -> str:
    """Returns a time as h:mm:ss."""
    return "" if seconds is None else str(dt.timedelta(seconds=round(seconds)))


def _markdown(table: Table) -> str:
    rules = ["---"] + ["---:"] * (len(table.head) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in [table.head, rules, *table.rows])

"""The report of a training study as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from client.experiment import markup
from client.experiment.training import report
from client.experiment.training.bars import draw_times
from client.experiment.training.curves import draw_losses
from client.experiment.training.record import Run, TrainingStudy, read_file, read_losses

WEBP_QUALITY = 90
"""PNG would make the page ten times as large."""
_SPLITS = {"train": "training split", "test": "test split"}


def to_html(folder: Path, study: TrainingStudy) -> str:
    """Returns the page of the study in a folder, with its curves and pictures inside."""
    title = report.title(study)
    sections = [f"<h1>{escape(title)}</h1>", markup.bullets(report.facts(study))]
    sections += ["<h2>Times</h2>", markup.table(report.times(study.runs))]
    if bars := draw_times(study.runs):
        legend = _legend(("theirs", "the study"), ("ours", "ours, at the study's size"))
        sections.append(f'<figure class="times">{legend}{bars}</figure>')
    sections.append(markup.paragraph(report.TIMES_NOTE))
    for features, table in report.quality(study.runs):
        sections += [f"<h2>Quality by {escape(features)} features</h2>", markup.table(table)]
    if any(run.evaluation for run in study.runs):
        sections.append(markup.paragraph(report.QUALITY_NOTE))
    sections += _pictures(folder, study.runs)
    sections += _losses(folder, study.runs)
    if notes := report.notes(study.runs):
        sections += ["<h2>Notes</h2>", markup.bullets(notes)]
    return markup.document(title, sections)


def _pictures(folder: Path, runs: Sequence[Run]) -> list[str]:
    """Returns the section with each run's real images beside its generated ones."""
    sections: list[str] = []
    for data, split in dict.fromkeys((run.data, run.split) for run in runs):
        figures = [
            _pair(folder, run) for run in runs if (run.data, run.split) == (data, split) and run.seed == 0
        ]
        if any(figures):
            sections.append(f"<h3>{escape(data.capitalize())}, {_SPLITS.get(split, escape(split))}</h3>")
            sections.append(f'<div class="pairs">{"".join(figures)}</div>')
    if not sections:
        return []
    text = (
        "Photographs it was trained on at the left, images it draws at the right, by the average of its "
        "weights. Where a model knows several labels, each row is a label, the same on both sides."
    )
    return ["<h2>Real beside generated</h2>", markup.paragraph(text), *sections]


def _pair(folder: Path, run: Run) -> str:
    """Returns both grids of a run, nothing when it has none yet."""
    pictures = [(kind, read_file(folder, name)) for kind, name in (
        ("real", run.files.real), ("generated", run.files.generated),
    )]  # fmt: skip
    images = [_image(data, f"{run.name}: {kind} images") for kind, data in pictures if data]
    if not any(images):
        return ""
    caption = f"<figcaption>{escape(run.name)}: real, generated</figcaption>"
    return f'<figure class="pair"><div>{"".join(images)}</div>{caption}</figure>\n'


def _image(data: bytes, text: str) -> str:
    """Returns a picture as a WebP inside the page, nothing when it cannot be read."""
    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.convert("RGB").save(buffer, "WEBP", quality=WEBP_QUALITY)
            width_px, height_px = image.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return ""
    source = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return f'<img src="{source}" width="{width_px}" height="{height_px}" alt="{escape(text)}">'


def _losses(folder: Path, runs: Sequence[Run]) -> list[str]:
    """Returns the section with the table of final losses and a chart for each run."""
    figures = ""
    for run in runs:
        if chart := draw_losses(read_losses(folder, run), f"Losses of {escape(run.name)}"):
            figures += f"<figure>{chart}<figcaption>{escape(run.name)}</figcaption></figure>\n"
    legend = _legend(("d", "discriminator"), ("g", "generator"))
    charts = [f'{legend}<div class="curves">{figures}</div>'] if figures else []
    table = markup.table(report.losses(runs))
    return ["<h2>Losses</h2>", *charts, table, markup.paragraph(report.LOSSES_NOTE)]


def _legend(*entries: tuple[str, str]) -> str:
    items = "".join(f'<span class="{kind}">{escape(text)}</span>' for kind, text in entries)
    return f'<p class="legend">{items}</p>'

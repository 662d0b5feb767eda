"""The report as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from html import escape

from client.experiment.markup import bullets, document, paragraph, table
from client.experiment.report import STUDY_NOTE, Report
from client.experiment.showcase import Strip, Thumbnail


def to_html(report: Report) -> str:
    """Returns the report as an HTML page with its style, charts and pictures inside."""
    sections = [
        f"<h1>{escape(report.title)}</h1>",
        bullets(report.facts),
        "<h2>Results</h2>",
        table(report.summary),
        *map(paragraph, report.notes),
    ]
    if report.charts:
        figures = [
            f"<figure>{svg}<figcaption>{source.capitalize()} images</figcaption></figure>"
            for source, svg in report.charts.items()
        ]
        sections += ["<h2>Rate and distortion</h2>", f'<div class="charts">{"".join(figures)}</div>']
    if report.strips:
        sections += [
            "<h2>Pictures</h2>",
            paragraph("For each codec that loses something, the setting with the smallest file."),
            *map(_strip, report.strips),
        ]
    if report.study:
        sections += ["<h2>Beside the study</h2>", table(report.study), paragraph(STUDY_NOTE)]
    if report.failures:
        sections += ["<h2>Failures</h2>", bullets(report.failures)]
    return document(f"Experiment: {report.title}", sections)


def _strip(strip: Strip) -> str:
    figures = "".join(_figure(thumbnail, strip.scale) for thumbnail in strip.thumbnails)
    return f'<h3>{escape(strip.title)}</h3>\n<div class="strip">{figures}</div>'


def _figure(thumbnail: Thumbnail, scale: int) -> str:
    source = f"data:image/png;base64,{base64.b64encode(thumbnail.png).decode()}"
    size = f'width="{scale * thumbnail.width_px}" height="{scale * thumbnail.height_px}"'
    return (
        f'<figure><img src="{source}" {size} alt="{escape(thumbnail.title)}">'
        f"<figcaption>{escape(thumbnail.title)}<br>{escape(thumbnail.detail)}</figcaption></figure>\n"
    )

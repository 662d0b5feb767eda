"""The report as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from client.experiment.report import STUDY_NOTE, Report, Table
from client.experiment.showcase import Strip, Thumbnail

_CSS = Path(__file__).with_name("report.css")


def to_html(report: Report) -> str:
    """Returns the report as an HTML page with its style, charts and pictures inside."""
    sections = [
        f"<h1>{escape(report.title)}</h1>",
        _list(report.facts),
        "<h2>Results</h2>",
        _table(report.summary),
        *map(_paragraph, report.notes),
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
            _paragraph("For each codec that loses something, the setting with the smallest file."),
            *map(_strip, report.strips),
        ]
    if report.study:
        sections += ["<h2>Beside the study</h2>", _table(report.study), _paragraph(STUDY_NOTE)]
    if report.failures:
        sections += ["<h2>Failures</h2>", _list(report.failures)]
    body = "\n".join(sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Experiment: {escape(report.title)}</title>
<style>
{_CSS.read_text(encoding="utf-8")}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _table(table: Table) -> str:
    text_columns = table.groups[0][1]
    groups = "".join(
        f'<th scope="colgroup" colspan="{span}">{escape(title)}</th>' for title, span in table.groups if title
    )
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in table.head)
    columns = "".join(f'<colgroup span="{span}"></colgroup>' for _, span in table.groups)
    rows = "\n".join(f"<tr>{_cells(row, text_columns)}</tr>" for row in table.rows)
    return (
        f'<div class="wide"><table>{columns}\n'
        f'<thead><tr><td colspan="{text_columns}"></td>{groups}</tr>\n<tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _cells(row: Sequence[str], text_columns: int) -> str:
    return "".join(
        f"<td>{escape(cell)}</td>" if column < text_columns else f'<td class="number">{escape(cell)}</td>'
        for column, cell in enumerate(row)
    )


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


def _list(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"

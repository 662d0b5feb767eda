"""The report as Markdown."""

from __future__ import annotations

import re

from client.experiment.report import STUDY_NOTE, Report, Table


def to_markdown(report: Report) -> str:
    """Returns the report as Markdown; charts are linked as `chart-<source>.svg`."""
    parts = [
        f"# Experiment: {report.title}",
        "\n".join(f"- {_text(fact)}" for fact in report.facts),
        "## Results",
        _table(report.summary),
        *map(_text, report.notes),
    ]
    if report.charts:
        parts += ["## Rate and distortion"]
        parts += [f"![PSNR over bits per pixel, {source}](chart-{source}.svg)" for source in report.charts]
    if report.study:
        parts += ["## Beside the study", _table(report.study), _text(STUDY_NOTE)]
    if report.failures:
        parts += ["## Failures", "\n".join(f"- {_text(failure)}" for failure in report.failures)]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    groups = [title for title, span in table.groups for _ in range(span)]
    head = [f"{group}: {title}" if group else title for group, title in zip(groups, table.head, strict=True)]
    text_columns = table.groups[0][1]
    rules = ["---"] * text_columns + ["---:"] * (len(head) - text_columns)
    lines = [head, rules, *([_text(cell) for cell in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: str) -> str:
    """Keeps names of files and messages from being read as markup."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", text.replace("\n", " "))

"""Pieces of HTML that the reports have in common."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from client.experiment.report import Table

_CSS = Path(__file__).with_name("report.css")


def document(title: str, sections: Sequence[str]) -> str:
    """Returns a page with its style inside; the sections are HTML."""
    body = "\n".join(sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
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


def table(content: Table) -> str:
    """Returns a table that scrolls when it is wider than the page."""
    text_columns = content.groups[0][1]
    groups = "".join(
        f'<th scope="colgroup" colspan="{span}">{escape(title)}</th>'
        if title
        else f'<td colspan="{span}"></td>'
        for title, span in content.groups[1:]
    )
    numbers = ["" if column < text_columns else ' class="number"' for column in range(len(content.head))]
    head = "".join(
        f'<th scope="col"{kind}>{escape(title)}</th>'
        for kind, title in zip(numbers, content.head, strict=True)
    )
    columns = "".join(f'<colgroup span="{span}"></colgroup>' for _, span in content.groups)
    rows = "\n".join(f"<tr>{_cells(row, numbers)}</tr>" for row in content.rows)
    return (
        f'<div class="wide"><table>{columns}\n'
        f'<thead><tr><td colspan="{text_columns}"></td>{groups}</tr>\n<tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _cells(row: Sequence[str], kinds: Sequence[str]) -> str:
    return "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True))


def bullets(items: Sequence[str]) -> str:
    """Returns a list of sentences."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def paragraph(text: str) -> str:
    """Returns a paragraph."""
    return f"<p>{escape(text)}</p>"

"""The forms of a report: page, Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.experiment.report.blocks import (
    Chart,
    Code,
    Column,
    Comparison,
    Panel,
    Picture,
    Points,
    Report,
    Section,
    Series,
    Table,
    Text,
    Viewer,
)
from client.experiment.report.markdown import to_markdown
from client.experiment.report.page import to_html
from client.experiment.report.plain import to_csv, to_json
from tests.helpers.images import png_file
from tests.helpers.pages import Checker

COLUMNS = [Column("file", "file"), Column("psnr_db", "PSNR", ".2f", "quality", " dB")]
ROWS = [["a|b<c>.png", 31.456], ["b", float("inf")], ["c", None], ["d", -1.0]]


def make(*, name: str = "x", text: str = "plain") -> Report:
    """Returns a report with a block of each kind."""
    picture = Picture("original", "9 KB", png_file(4, 3), "image/png", 4, 3)
    series = Series(name, 0, [1.0, 2.0], {"psnr_db": [30.0, None]}, ["one", "two"])
    blocks = [
        Text(text, "lead"),
        Points([text, "**bold** and `code`"]),
        Code("client experiment run x"),
        Table("settings", "A caption.", COLUMNS, ROWS),
        Chart("rd", "curves", "Curves.", "bits", {"psnr_db": "PSNR"}, [Panel(name, [series])]),
        Viewer([Comparison(name, picture, [picture])]),
    ]
    return Report("A title", "A subtitle", [Section("summary", "In short", blocks)])


@settings(max_examples=20)
@given(st.text(), st.text())
def test_a_page_is_whole_whatever_names_are(name: str, text: str) -> None:
    """Elements are closed, nothing is loaded from elsewhere, and scripts are left by no name."""
    page = to_html(make(name=name, text=text))
    checker = Checker(page)
    assert checker.open == []
    assert all(reference.startswith(("data:", "#")) for reference in checker.references)
    assert all(
        json.loads(data) for data in re.findall(r'<script type="application/json">(.*?)</script>', page)
    )


def test_a_page_says_what_tables_hold() -> None:
    """Numbers are written for readers and kept exactly for sorting; a missing one is an empty cell."""
    page = to_html(make())
    assert '<td class="number" data-value="31.456">31.46 dB</td>' in page
    assert '<td class="number" data-value="inf">exact</td>' in page
    assert '<td class="number"></td>' in page
    assert '<td class="number" data-value="-1.0">−1.00 dB</td>' in page
    assert "a|b&lt;c&gt;.png" in page
    assert "<strong>bold</strong> and <code>code</code>" in page


def test_a_page_without_charts_is_small() -> None:
    """The plotting library is only in pages that plot."""
    report = Report("A title", "", [Section("summary", "In short", [Text("x")])])
    assert 10 * len(to_html(report)) < len(to_html(make()))


def test_markdown() -> None:
    """Tables keep their columns whatever cells hold, and charts are linked where they have an address."""
    text = to_markdown(make())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == "| file | quality: PSNR |"
    assert rows[2] == r"| a\|b\<c\>.png | 31.46 dB |"
    assert "![" not in text
    assert "![Curves.](rd.svg)" in to_markdown(make(), lambda chart: f"{chart.name}.svg")


def test_csv_and_json_hold_the_numbers() -> None:
    """Programs get full precision under names with units."""
    rows = list(csv.DictReader(io.StringIO(to_csv(make()))))
    assert [row["psnr_db"] for row in rows] == ["31.456", "inf", "", "-1.0"]
    blocks = json.loads(to_json(make()))["sections"][0]["blocks"]
    assert next(block for block in blocks if "table" in block)["rows"][1] == {"file": "b", "psnr_db": "inf"}
    assert next(block for block in blocks if "chart" in block)["points"] == [
        {"panel": "x", "series": "x", "label": "one", "x": 1.0, "psnr_db": 30.0},
        {"panel": "x", "series": "x", "label": "two", "x": 2.0, "psnr_db": None},
    ]


def test_a_report_without_tables_has_no_csv() -> None:
    """A sentence says so."""
    with pytest.raises(Exception, match="no table"):
        to_csv(Report("A title", "", [Section("summary", "In short", [Text("x")])]))

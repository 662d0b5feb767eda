"""A report's figures for programs: CSV of one table, JSON of all."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from client.errors import InputError
from client.experiment.report.blocks import Block, Chart, Code, Points, Report, Table, Text, Value

MAIN_TABLES = ("settings", "times", "runs")
"""The table that CSV holds: the first of these that a report has."""


def to_csv(report: Report) -> str:
    """Returns the report's main table as CSV, with column names for programs; None is an empty cell.

    Raises:
        InputError: It has none.
    """
    tables = {
        block.name: block
        for section in report.sections
        for block in section.blocks
        if isinstance(block, Table)
    }
    table = next((tables[name] for name in MAIN_TABLES if name in tables), None)
    if table is None:
        raise InputError("there is no table to write as CSV: choose --format html, md or json")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.name for column in table.columns)
    writer.writerows(table.rows)
    return text.getvalue()


def to_json(report: Report) -> str:
    """Returns texts, tables and charts as JSON; a value that is infinite is the string "inf"."""
    content = {
        "title": report.title,
        "subtitle": report.subtitle,
        "sections": [
            {
                "name": section.name,
                "title": section.title,
                "blocks": [data for block in section.blocks if (data := _block(block))],
            }
            for section in report.sections
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _block(block: Block) -> dict[str, Any] | None:
    match block:
        case Text():
            return {"text": block.text}
        case Points():
            return {"items": list(block.items)}
        case Code():
            return {"code": block.text}
        case Table():
            names = [column.name for column in block.columns]
            rows = [dict(zip(names, map(_value, row), strict=True)) for row in block.rows]
            return {"table": block.name, "caption": block.caption, "rows": rows}
        case Chart():
            return {"chart": block.name, "caption": block.caption, "points": _points(block)}
        case _:
            return None


def _points(chart: Chart) -> list[dict[str, Any]]:
    return [
        {
            "panel": panel.title,
            "series": series.name,
            "label": series.labels[i] if i < len(series.labels) else None,
            "x": x,
            **{name: _value(values[i]) for name, values in series.y.items()},
        }
        for panel in chart.panels
        for series in panel.series
        for i, x in enumerate(series.x)
    ]


def _value(value: Value) -> Value:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value

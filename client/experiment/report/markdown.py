"""A report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable

from client.experiment.report.blocks import Block, Chart, Code, Points, Report, Section, Table, Text

Link = Callable[[Chart], str | None]
"""Returns the address of a chart's picture, None where it has none."""


def to_markdown(report: Report, link: Link = lambda _: None) -> str:
    """Returns the report as Markdown; pictures are left out, and charts without an address."""
    parts = [f"# {_plain(report.title)}", *([report.subtitle] if report.subtitle else [])]
    for section in report.sections:
        parts += _section(section, link)
    return "\n\n".join(parts) + "\n"


def _section(section: Section, link: Link) -> list[str]:
    blocks = [text for block in section.blocks if (text := block_text(block, link))]
    return [f"## {section.title}", *blocks] if blocks else []


def block_text(block: Block, link: Link = lambda _: None) -> str:
    """Returns a block as Markdown, nothing for one that only a page can show."""
    match block:
        case Text():
            return block.text
        case Points():
            return "\n".join(f"- {item}" for item in block.items)
        case Code():
            return f"```sh\n{block.text}\n```"
        case Table():
            return table_text(block)
        case Chart():
            address = link(block)
            return f"![{block.caption}]({address})" if address else ""
        case _:
            return ""


def table_text(table: Table) -> str:
    """Returns a table with its caption; headings over columns go before each title."""
    head = [f"{column.group}: {column.title}" if column.group else column.title for column in table.columns]
    rules = ["---:" if column.is_number else "---" for column in table.columns]
    rows = [
        [_cell(column.text(value)) for column, value in zip(table.columns, row, strict=True)]
        for row in table.rows
    ]
    lines = "\n".join(f"| {' | '.join(line)} |" for line in [head, rules, *rows])
    return f"{table.caption}\n\n{lines}"


def _cell(text: str) -> str:
    """Returns a cell, with what is bold kept so."""
    bold = re.fullmatch(r"\*\*(.+?)\*\*(.*)", text, re.DOTALL)
    return f"**{_plain(bold[1])}**{_plain(bold[2])}" if bold else _plain(text)


def _plain(text: str) -> str:
    """Keeps names of files and messages from being read as markup."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", text.replace("\n", " "))

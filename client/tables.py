"""Tables and lists of fields on stdout."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH_IN_FILE = 160


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table that wraps to the terminal's width."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for title in head:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    _console().print(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Prints names and values, a line each; empty values are left out."""
    table = Table.grid(padding=(0, 3, 0, 0))
    for name, value in fields.items():
        if value:
            table.add_row(Text(name, style="bold"), Text(str(value)))
    _console().print(table)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH_IN_FILE, highlight=False)

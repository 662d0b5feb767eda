"""Tables of reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table whose columns stand in groups."""

    groups: list[tuple[str, int]]
    """Titles of the groups with their number of columns; the first group is text, the others numbers."""
    head: list[str]
    """Titles of the columns."""
    rows: list[list[str]]
    """The cells."""

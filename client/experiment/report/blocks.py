"""What a report is made of; every form of it is made from these."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Value = str | int | float | None


def minus(number: str) -> str:
    """Returns a number with a true minus sign."""
    return number.replace("-", "−")


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    """Name for programs, with the unit, such as `psnr_db`."""
    title: str
    """Title for readers."""
    form: str = ""
    """Format of its numbers, such as ".2f" or "+.1f"; a column without one is text."""
    group: str = ""
    """Heading over neighbouring columns."""
    unit: str = ""
    """What is written after a number, such as " %"."""

    def text(self, value: Value) -> str:
        """Returns a value as a reader sees it: nothing for None, "exact" for infinity."""
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if not math.isfinite(value):
            return "exact"
        # Significant digits, but no exponents.
        form = "+.4f" if self.form == "+.3g" and abs(value) < 0.1 else self.form
        return minus(f"{value:{form}}{self.unit}")

    @property
    def is_number(self) -> bool:
        """Tells whether it holds numbers."""
        return bool(self.form)


@dataclass(frozen=True)
class Table:
    """A table that can be sorted by each of its columns."""

    name: str
    """Name for programs, such as `settings`."""
    caption: str
    """What its rows are."""
    columns: Sequence[Column]
    """The columns."""
    rows: Sequence[Sequence[Value]]
    """The values, None where there is none."""

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headings over the columns with how many each spans; none when no column has one."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans if any(title for title, _ in spans) else []


@dataclass(frozen=True)
class Text:
    """A paragraph; `**` encloses what stands out and a backtick what is literal, as in Markdown."""

    text: str
    """One paragraph."""
    style: Literal["", "lead", "note"] = ""
    """A lead stands out, a note stands back."""


@dataclass(frozen=True)
class Points:
    """Items of a list, marked up as texts are."""

    items: Sequence[str]
    """The items."""


@dataclass(frozen=True)
class Code:
    """Command lines."""

    text: str
    """The lines."""


@dataclass(frozen=True)
class Series:
    """One line of a chart."""

    name: str
    """What it is, in the legend."""
    hue: int
    """Number of its colour; the same codec has the same everywhere."""
    x: Sequence[float]
    """Where its points are."""
    y: Mapping[str, Sequence[float | None]]
    """Their values, for each measure of the chart."""
    labels: Sequence[str] = ()
    """What each point is."""
    low: Mapping[str, Sequence[float | None]] = field(default_factory=dict[str, Sequence[float | None]])
    """Lower ends of intervals around the values."""
    high: Mapping[str, Sequence[float | None]] = field(default_factory=dict[str, Sequence[float | None]])
    """Upper ends."""


@dataclass(frozen=True)
class Panel:
    """One frame of a chart."""

    title: str
    """What it shows."""
    series: Sequence[Series]
    """Its lines."""


@dataclass(frozen=True)
class Chart:
    """Panels side by side that have their scales in common."""

    name: str
    """Name for programs and for files."""
    kind: Literal["curves", "intervals", "losses"]
    """Curves over x; intervals, one series a line, around the first value; or losses over epochs."""
    caption: str
    """What is shown and how to read it."""
    x_title: str
    """Title of the x axis."""
    measures: Mapping[str, str]
    """Titles of what can be shown, the first at the start."""
    panels: Sequence[Panel]
    """At least one."""


@dataclass(frozen=True)
class Picture:
    """An image file that browsers show."""

    title: str
    """What it is."""
    detail: str
    """Its figures."""
    data: bytes
    """The file."""
    media_type: str
    """Its type, such as `image/png`."""
    width_px: int
    """Width."""
    height_px: int
    """Height."""


@dataclass(frozen=True)
class Comparison:
    """One image with what codecs made of it."""

    title: str
    """Which image it is."""
    original: Picture
    """The image before."""
    results: Sequence[Picture]
    """The image after each setting, of the same size."""


@dataclass(frozen=True)
class Viewer:
    """Comparisons with a slider, differences and zoom."""

    comparisons: Sequence[Comparison]
    """At least one."""


@dataclass(frozen=True)
class Gallery:
    """Pictures in rows."""

    pictures: Sequence[Picture]
    """The pictures."""


Block = Text | Points | Code | Table | Chart | Viewer | Gallery


@dataclass(frozen=True)
class Section:
    """A part with a title."""

    name: str
    """Name for links."""
    title: str
    """Its title."""
    blocks: Sequence[Block]
    """What it holds, in order."""


@dataclass(frozen=True)
class Report:
    """A whole report."""

    title: str
    """Its title."""
    subtitle: str
    """One line on what was done."""
    sections: Sequence[Section]
    """Its parts; the first is the summary."""

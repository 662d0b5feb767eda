"""Rate-distortion charts as SVG that needs nothing else, in light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from client.experiment.pictures import SourceName
from client.experiment.summary import Line

_WIDTH, _PLOT_HEIGHT, _LEGEND_LINE = 560, 320, 22
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 14, 48
_LEGEND_COLUMNS = 3
_LIGHT = ("#1f5fbf", "#b84a00", "#15803d", "#7e3fb8", "#be185d", "#0b7285", "#756300")
_DARK = ("#7ab0ff", "#ff9d5c", "#5fd38a", "#c79bff", "#ff8ab8", "#4fd1e0", "#d9c65a")
_MARKERS = (
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0Z",  # circle
    "M-3.6,-3.6H3.6V3.6H-3.6Z",  # square
    "M0,-5L5,0L0,5L-5,0Z",  # diamond
    "M0,-4.6L4.6,3.6H-4.6Z",  # triangle
    "M0,4.6L4.6,-3.6H-4.6Z",  # triangle on its tip
)
"""Five shapes and seven colours: 35 series before a pair comes again."""


@dataclass(frozen=True)
class _Point:
    rate: float
    psnr_db: float
    setting: str


@dataclass(frozen=True)
class _Series:
    name: str
    number: int
    points: list[_Point]


class _Axes:
    """Maps bits per pixel, on a logarithmic scale, and decibels to the plot."""

    def __init__(self, points: Sequence[_Point]) -> None:
        rates, levels = [p.rate for p in points], [p.psnr_db for p in points]
        low, high = math.floor(math.log2(min(rates))), math.ceil(math.log2(max(rates)))
        self.rate_ticks = [2.0**power for power in range(low, max(high, low + 1) + 1)]
        step = 5 if max(levels) - min(levels) <= 30 else 10
        bottom, top = math.floor(min(levels) / step), math.ceil(max(levels) / step)
        self.level_ticks = [step * number for number in range(bottom, max(top, bottom + 1) + 1)]

    def x(self, rate: float) -> float:
        low, high = self.rate_ticks[0], self.rate_ticks[-1]
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * math.log2(rate / low) / math.log2(high / low)

    def y(self, psnr_db: float) -> float:
        low, high = self.level_ticks[0], self.level_ticks[-1]
        return _TOP + (_PLOT_HEIGHT - _TOP - _BOTTOM) * (high - psnr_db) / (high - low)


def draw_charts(lines: Sequence[Line]) -> dict[SourceName, str]:
    """Returns an SVG file for each source that has lossy results: mean PSNR over mean bits per pixel.

    A line joins the settings of one codec that differ in the same options. Scales, colours and marks are
    the same in all charts; each point tells its numbers when pointed at.
    """
    sources: tuple[SourceName, ...] = ("generated", "real")
    series = {source: _series(lines, source) for source in sources}
    points = [point for source in sources for one in series[source] for point in one.points]
    if not points:
        return {}
    axes = _Axes(points)
    return {source: _draw(source, axes, series[source]) for source in sources if series[source]}


def _series(lines: Sequence[Line], source: SourceName) -> list[_Series]:
    points: dict[str, list[_Point]] = {}
    for line in lines:
        options = [part.split("=")[0] for part in line.setting.split() if "=" in part]
        group = points.setdefault(" ".join([line.codec, *options]), [])
        means = line.generated if source == "generated" else line.real
        if means and math.isfinite(means.psnr_db):
            group.append(_Point(means.bits_per_pixel, means.psnr_db, f"{line.codec} {line.setting}"))
    # Numbered before series without points are left out: a codec looks the same in every chart.
    series = [_Series(name, number, group) for number, (name, group) in enumerate(points.items())]
    return [one for one in series if one.points]


def _draw(source: SourceName, axes: _Axes, series: Sequence[_Series]) -> str:
    legend_lines = math.ceil(len(series) / _LEGEND_COLUMNS)
    height = _PLOT_HEIGHT + legend_lines * _LEGEND_LINE
    title = f"{source.capitalize()} images: PSNR over bits per pixel"
    view_box = f'viewBox="0 0 {_WIDTH} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="rd" role="img" aria-label="{title}" {view_box}>',
        f"<style>{_style()}</style>",
        f'<rect class="surface" width="{_WIDTH}" height="{height}"/>',
        *_grid(axes),
        *(_line(axes, one) for one in series),
        *(_legend_entry(place, one) for place, one in enumerate(series)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid(axes: _Axes) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _PLOT_HEIGHT - _BOTTOM
    parts: list[str] = []
    for rate in axes.rate_ticks:
        x = axes.x(rate)
        parts.append(f'<path class="grid" d="M{x:.1f},{_TOP}V{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{rate:g}</text>')
    for level in axes.level_ticks:
        y = axes.y(level)
        parts.append(f'<path class="grid" d="M{_LEFT},{y:.1f}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{level}</text>')
    middle = (_LEFT + right) / 2
    parts.append(f'<text x="{middle:.1f}" y="{bottom + 36}" text-anchor="middle">bits per pixel</text>')
    parts.append(
        f'<text transform="translate(14 {(_TOP + bottom) / 2:.1f}) rotate(-90)" text-anchor="middle">'
        "PSNR in dB</text>"
    )
    return parts


def _line(axes: _Axes, series: _Series) -> str:
    points = sorted(series.points, key=lambda point: point.rate)
    path = "L".join(f"{axes.x(p.rate):.1f},{axes.y(p.psnr_db):.1f}" for p in points)
    marks = "".join(
        f'<path class="mark" transform="translate({axes.x(p.rate):.1f} {axes.y(p.psnr_db):.1f})" '
        f'd="{_MARKERS[series.number % len(_MARKERS)]}">'
        f"<title>{escape(p.setting)}: {p.rate:.3f} bits per pixel, {p.psnr_db:.2f} dB</title></path>"
        for p in points
    )
    return f'<g class="{_colour_class(series)}"><path class="line" d="M{path}"/>{marks}</g>'


def _legend_entry(place: int, series: _Series) -> str:
    column, row = place % _LEGEND_COLUMNS, place // _LEGEND_COLUMNS
    x = _LEFT + column * (_WIDTH - _LEFT - _RIGHT) / _LEGEND_COLUMNS
    y = _PLOT_HEIGHT + row * _LEGEND_LINE + 6
    return (
        f'<g class="{_colour_class(series)}" transform="translate({x:.1f} {y})">'
        f'<path class="line" d="M0,0H22"/><path class="mark" transform="translate(11 0)" '
        f'd="{_MARKERS[series.number % len(_MARKERS)]}"/>'
        f'<text x="28" y="4">{escape(series.name)}</text></g>'
    )


def _colour_class(series: _Series) -> str:
    return f"c{series.number % len(_LIGHT)}"


def _style() -> str:
    def theme(surface: str, grid: str, text: str, colours: Sequence[str]) -> str:
        series = "".join(f"--c{number}:{colour};" for number, colour in enumerate(colours))
        return f".rd{{--surface:{surface};--grid:{grid};--text:{text};{series}}}"

    colours = "".join(f".rd .c{number}{{color:var(--c{number})}}" for number in range(len(_LIGHT)))
    return (
        theme("#ffffff", "#dfe3e8", "#4a5260", _LIGHT)
        + f"@media (prefers-color-scheme:dark){{{theme('#171a1f', '#323841', '#a9b1bd', _DARK)}}}"
        + ".rd .surface{fill:var(--surface)}.rd .grid{stroke:var(--grid)}"
        + ".rd text{fill:var(--text);font:12px system-ui,sans-serif}"
        + ".rd .line{stroke:currentColor;stroke-width:2;fill:none}"
        + ".rd .mark{fill:currentColor;stroke:var(--surface)}"
        + colours
    )

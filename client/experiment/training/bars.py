"""Bars of the times as SVG, drawn with the colours of the page around it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from client.experiment.training.record import Run
from client.experiment.training.report import time_text

_WIDTH, _LEFT, _RIGHT = 760, 190, 90
_BAR, _GAP = 12, 14


def draw_times(runs: Sequence[Run]) -> str | None:
    """Returns an SVG with two bars a run: the study's time, and what its work takes at our speed.

    None when there is nothing to compare.
    """
    pairs = [
        (run.name, run.published.duration_s, run.at_study_size_s)
        for run in runs
        if run.published and run.at_study_size_s
    ]
    if not pairs:
        return None
    longest = max(max(theirs, ours) for _, theirs, ours in pairs)
    height = len(pairs) * (2 * _BAR + _GAP) + _GAP // 2
    label = "Time for the study's images and epochs, the study's and ours"
    parts = [f'<svg class="bars" role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {height}">']
    for number, (name, theirs, ours) in enumerate(pairs):
        y = _GAP // 2 + number * (2 * _BAR + _GAP)
        parts.append(f'<text x="{_LEFT - 10}" y="{y + _BAR + 4}" text-anchor="end">{escape(name)}</text>')
        for kind, seconds, top in (("theirs", theirs, y), ("ours", ours, y + _BAR)):
            width = max((_WIDTH - _LEFT - _RIGHT) * seconds / longest, 1)
            parts += [
                f'<rect class="{kind}" x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR - 1}"/>',
                f'<text x="{_LEFT + width + 6:.1f}" y="{top + _BAR - 2}">{time_text(seconds)}</text>',
            ]
    return "\n".join([*parts, "</svg>"])

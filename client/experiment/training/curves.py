"""Loss curves of a run as SVG, drawn with the colours of the page around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from client.experiment.training.record import LossRows

_WIDTH, _HEIGHT = 400, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 8, 34
_MAX_POINTS = 400
"""Longer curves are drawn as means of neighbouring rows."""
_SMOOTHING_SHARE = 1 / 12
"""The heavy line is a running mean over this share of the points."""
MIN_ROWS = 2
"""Fewer make no curve."""


def draw_losses(rows: LossRows, title: str) -> str | None:
    """Returns an SVG of both losses over epochs, None for too few rows.

    Light: what was logged; heavy: its running mean. The scale leaves out the highest and lowest per cent,
    so that a spike does not press everything else flat.
    """
    if len(rows.epochs) < MIN_ROWS:
        return None
    group = math.ceil(len(rows.epochs) / _MAX_POINTS)
    epochs = _means(rows.epochs, group)
    curves = {"d": _means(rows.discriminator, group), "g": _means(rows.generator, group)}
    ticks = _ticks(*_range([value for values in curves.values() for value in values]))
    low, high = ticks[0], ticks[-1]
    last_epoch = epochs[-1] or 1.0

    def point(epoch: float, loss: float) -> str:
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * epoch / last_epoch
        share = (high - min(max(loss, low), high)) / (high - low)
        return f"{x:.1f},{_TOP + (_HEIGHT - _TOP - _BOTTOM) * share:.1f}"

    def path(values: Sequence[float]) -> str:
        return "M" + "L".join(map(point, epochs, values))

    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = [f'<svg class="losses" role="img" aria-label="{title}" viewBox="0 0 {_WIDTH} {_HEIGHT}">']
    for tick in ticks:
        y = float(point(0, tick).split(",")[1])
        parts.append(f'<path class="grid" d="M{_LEFT},{y:.1f}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in _ticks(0, last_epoch):
        if tick <= last_epoch:
            x = float(point(tick, low).split(",")[0])
            parts.append(f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 3}" text-anchor="middle">epoch</text>')
    for name, values in curves.items():
        parts.append(f'<path class="{name} raw" d="{path(values)}"/>')
        parts.append(f'<path class="{name}" d="{path(_smooth(values))}"/>')
    return "\n".join([*parts, "</svg>"])


def _means(values: Sequence[float], group: int) -> list[float]:
    parts = [values[start : start + group] for start in range(0, len(values), group)]
    return [sum(part) / len(part) for part in parts]


def _smooth(values: Sequence[float]) -> list[float]:
    """Returns the running mean; near the ends over the values there are."""
    half = round(len(values) * _SMOOTHING_SHARE) // 2
    sums = [0.0, *accumulate(values)]
    spans = [(max(i - half, 0), min(i + half + 1, len(values))) for i in range(len(values))]
    return [(sums[end] - sums[start]) / (end - start) for start, end in spans]


def _range(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    cut = len(ordered) // 100
    return ordered[cut], ordered[-1 - cut]


def _ticks(low: float, high: float) -> list[float]:
    """Returns three to seven round numbers of which the first and last enclose the range."""
    span = max(high - low, 1e-6 * max(abs(low), abs(high)), 1e-6)  # losses that hardly change are a line
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]

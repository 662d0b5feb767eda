"""Draws a run's metrics: losses above, the signs of its health below."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer.files import write_atomically
from trainer.logs import Row

BLUE, ORANGE, GREEN, PURPLE, GREY = "#2f6db3", "#d9782d", "#3c8f5a", "#7d5ba6", "#8a8a8a"
MIN_ROWS = 5
"""Fewer make no curve."""
SMOOTHING_ROWS, SMOOTHING_SHARE = 3, 1 / 20
"""The heavy line is a running mean over this share of the rows, and over at least so many."""


def save_curves(rows: list[Row], run: Path) -> None:
    """Writes loss-curves.png and loss-curves.svg to the folder `run`; nothing for very few rows."""
    if len(rows) < MIN_ROWS:
        return
    figure = draw(rows, run.resolve().name)
    # The same metrics give the same files: no date, and names of parts that do not change.
    with mpl.rc_context({"svg.hashsalt": "ganpress"}):
        for suffix, metadata in (("png", {}), ("svg", {"Date": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, metadata=metadata)
            write_atomically(run / f"loss-curves.{suffix}", buffer.getvalue())


def draw(rows: list[Row], title: str) -> Figure:
    """Returns the figure of a run's rows (at least two): losses, gradient penalty if any, health."""
    panels = [_draw_losses, _draw_health]
    if len(_series(rows, "penalty")[0]):
        panels.insert(1, _draw_penalty)
    heights = {_draw_losses: 3.4, _draw_penalty: 1.2, _draw_health: 1.8}
    ratios = [heights[panel] for panel in panels]
    figure = Figure(figsize=(9, 1 + sum(ratios)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=ratios)
    for axes, panel in zip(all_axes, panels, strict=True):
        panel(axes, rows)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.margins(x=0.01)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    all_axes[-1].set_xlabel("step")
    _add_epochs(all_axes[0], rows)
    all_axes[0].set_title(title, loc="left", fontsize=12, pad=12)
    return figure


def _draw_losses(axes: Axes, rows: list[Row]) -> None:
    shown: list[NDArray[np.float64]] = []
    for name, label, color in (("d_loss", "discriminator", BLUE), ("g_loss", "generator", ORANGE)):
        steps, values = _series(rows, name)
        axes.plot(steps, values, color=color, linewidth=0.7, alpha=0.3)
        axes.plot(steps, _smooth(values), color=color, linewidth=1.8, label=label)
        shown.append(values)
    # A few spikes, most often of the first steps, would press everything else flat.
    low, high = np.percentile(np.concatenate(shown), (0.5, 99))
    margin = 0.08 * (high - low) or 0.5
    axes.set_ylim(low - margin, high + margin)
    axes.set_ylabel("loss")


def _draw_penalty(axes: Axes, rows: list[Row]) -> None:
    steps, values = _series(rows, "penalty")
    axes.plot(steps, values, color=GREY, linewidth=0.7, alpha=0.35)
    axes.plot(steps, _smooth(values), color=GREY, linewidth=1.6, label="gradient penalty")
    axes.set_ylim(0, float(np.percentile(values, 99)) * 1.15 or 1.0)
    axes.set_ylabel("penalty")


def _draw_health(axes: Axes, rows: list[Row]) -> None:
    """Draws what lies between 0 and 1."""
    for name, label, color in (
        ("lead", "discriminator's lead", BLUE),
        ("augment_p", "augmentation p", PURPLE),
        ("diversity_min", "diversity, worst label", GREEN),
    ):
        steps, values = _series(rows, name)
        if len(steps):
            marker = "o" if name == "diversity_min" else None
            axes.plot(steps, values, color=color, linewidth=1.5, marker=marker, markersize=3, label=label)
    axes.set_ylim(-0.03, 1.13)
    axes.set_ylabel("share")


def _add_epochs(axes: Axes, rows: list[Row]) -> None:
    """Puts epochs on a second axis above."""
    per_step = rows[-1]["epoch"] / max(rows[-1]["step"], 1)
    if not per_step:
        return

    def epochs(steps: NDArray[np.float64]) -> NDArray[np.float64]:
        return steps * per_step

    def steps(epochs: NDArray[np.float64]) -> NDArray[np.float64]:
        return epochs / per_step

    top = axes.secondary_xaxis("top", functions=(epochs, steps))  # type: ignore[arg-type]
    top.set_xlabel("epoch", fontsize=9)
    top.tick_params(labelsize=9)


def _series(rows: list[Row], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns steps and values of the rows that have `name`."""
    pairs = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
    array = np.array(pairs, np.float64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the running mean; near the ends over the values there are."""
    width = min(max(SMOOTHING_ROWS, round(len(values) * SMOOTHING_SHARE)), len(values))
    kernel = np.ones(width)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")

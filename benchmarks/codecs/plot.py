"""Rate-distortion curves as a picture."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from benchmarks.codecs.tables import Measured


def write_plot(measured: Measured, metrics: tuple[str, ...], path: Path) -> None:
    """Draws each metric against the rate, means over images, one curve a contender."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(metrics), figsize=(6 * len(metrics), 5), squeeze=False)
    for axis, metric in zip(axes[0], metrics, strict=True):
        for name, images in measured.items():
            settings = [points for points in zip(*images, strict=True) if metric in points[0].quality]
            rates = [fmean(point.bits_per_pixel for point in points) for points in settings]
            quality = [fmean(point.quality[metric] for point in points) for points in settings]
            axis.plot(rates, quality, marker=".", label=name, linewidth=2 if name.startswith("dct") else 1)
        axis.set(xlabel="bits per pixel", ylabel=metric, xscale="log")
        axis.grid(True, alpha=0.3)
    axes[0][0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)

"""Measurements as Markdown tables."""

from __future__ import annotations

from statistics import fmean

import numpy as np

from benchmarks.codecs.contenders import Contender
from benchmarks.codecs.measure import Point, mean_bd_rate, megapixels_per_s

Measured = dict[str, list[list[Point]]]
"""Points by the contender's name: a list an image, a point a setting."""


def rate_table(measured: Measured) -> list[str]:
    """Returns the means over images of each setting of each contender."""
    names = list(next(iter(measured.values()))[0][0].quality)
    rows = [_row("codec", "setting", "bpp", *names, "enc MP/s", "dec MP/s"), _rule(5 + len(names))]
    for contender, images in measured.items():
        for points in zip(*images, strict=True):
            quality = [fmean(point.quality[name] for point in points) for name in names]
            speeds = [
                sum(point.pixels for point in points) / 1e6 / max(sum(seconds), 1e-9)
                for seconds in ([p.encode_s for p in points], [p.decode_s for p in points])
            ]
            rows.append(
                _row(
                    contender,
                    points[0].setting,
                    f"{fmean(point.bits_per_pixel for point in points):.3f}",
                    *(
                        f"{value:.4f}" if name == "SSIM" else f"{value:.2f}"
                        for name, value in zip(names, quality, strict=True)
                    ),
                    *(f"{speed:.1f}" for speed in speeds),
                )
            )
    return rows


def bd_table(measured: Measured, found: list[Contender], metrics: tuple[str, ...]) -> list[str]:
    """Returns, of each of our codecs against every other contender, the BD-rates of all metrics."""
    rows = [_row("BD-rate in %", *(f"against {name}" for name in measured)), _rule(1 + len(measured))]
    for contender in found:
        if contender.is_ours and contender.name in measured:
            cells = [
                "-" if name == contender.name else _rates(measured, name, contender.name, metrics)
                for name in measured
            ]
            rows.append(_row(contender.name, *cells))
    return rows


def speed_table(measured: Measured, anchor: str) -> list[str]:
    """Returns each contender's speed over all its settings, and its BD-rate against the anchor."""
    rows = [_row("codec", "enc MP/s", "dec MP/s", f"PSNR-RGB against {anchor}"), _rule(4)]
    for name, points in measured.items():
        rate = mean_bd_rate(measured[anchor], points, "PSNR-RGB") if anchor in measured else None
        rows.append(
            _row(
                name,
                f"{megapixels_per_s(points, lambda point: point.encode_s):.1f}",
                f"{megapixels_per_s(points, lambda point: point.decode_s):.1f}",
                _percent(rate),
            )
        )
    return rows


def bytes_table(measured: Measured, targets_db: tuple[float, ...], title: str) -> list[str]:
    """Returns each contender's mean bytes an image at mean PSNR-RGBs, headers counted."""
    rows = [_row(title, *(f"{target:g} dB" for target in targets_db)), _rule(1 + len(targets_db))]
    for name, images in measured.items():
        settings = list(zip(*images, strict=True))
        curve = sorted(
            (fmean(p.quality["PSNR-RGB"] for p in points), float(np.log(fmean(p.size_bytes for p in points))))
            for points in settings
        )
        levels, sizes = zip(*curve, strict=True)
        found = np.exp(np.interp(targets_db, levels, sizes, left=np.nan, right=np.nan))
        rows.append(_row(name, *("-" if np.isnan(size) else f"{size:.0f}" for size in found)))
    return rows


def _rates(measured: Measured, anchor: str, test: str, metrics: tuple[str, ...]) -> str:
    rates = (mean_bd_rate(measured[anchor], measured[test], metric) for metric in metrics)
    return " / ".join(_percent(rate) for rate in rates)


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:+.1f}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: int) -> str:
    return "|" + " --- |" * columns

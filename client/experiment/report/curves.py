"""Rate-distortion curves, and the tables of settings and of BD-rates."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from importlib import import_module
from statistics import fmean
from typing import Any, cast

from client.experiment.report.blocks import Chart, Column, Panel, Series, Table
from client.experiment.report.data import Results
from client.experiment.report.groups import Means, Source
from client.experiment.report.measures import MEASURES, Families, Interval, bootstrap, covered, is_swept

ANCHOR = "jpeg"
"""The codec that BD-rates are taken against: Pillow's JPEG, which is libjpeg-turbo."""
MIN_POINTS = 4
"""Fewer points of a curve give no BD-rate."""
MIN_OVERLAP = 0.3
"""BD-rates of curves that have less of their quality in common are left out."""


def settings_table(means: Sequence[Means]) -> Table:
    """Returns a row for each source and setting."""
    shown = [one for one in MEASURES if any(mean.quality[one.column] is not None for mean in means)]
    columns = [
        Column("source", "images"),
        Column("codec", "codec"),
        Column("setting", "setting"),
        Column("images", "n", "d"),
        Column("original_kb", "KB before", ".2f"),
        Column("compressed_kb", "KB after", ".2f"),
        Column("compression_percent", "smaller by", ".2f", unit=" %"),
        Column("bits_per_pixel", "bits per pixel", ".3f"),
        *(Column(one.column, one.titled, one.form) for one in shown),
        Column("encode_ms", "encode ms", ".2f"),
        Column("decode_ms", "decode ms", ".2f"),
    ]
    rows = [
        [
            mean.source,
            mean.codec,
            mean.setting,
            mean.images,
            mean.original_bytes / 1024,
            mean.compressed_bytes / 1024,
            mean.compression_percent,
            mean.bits_per_pixel,
            *(mean.quality[one.column] for one in shown),
            mean.encode_ms,
            mean.decode_ms,
        ]
        for mean in means
    ]
    caption = (
        "Means over the images, 1 KB being 1024 bytes; times are medians. PSNR is the mean over the images "
        "that lost "
        "something, exact when none did. A negative “smaller by” means that files grew."
    )
    return Table("settings", caption, columns, rows)


def chart(sources: Sequence[Source], means: Sequence[Means], families: Families) -> Chart | None:
    """Returns the rate-distortion chart, a panel for each source; None when nothing lossy was measured."""
    panels = [Panel(source.title, _series(source, means, families)) for source in sources]
    panels = [panel for panel in panels if panel.series]
    if not panels:
        return None
    measures = covered([[name for series in panel.series for name in series.y] for panel in panels])
    shown = {one.column: one.titled for one in measures}
    caption = (
        "Mean quality over mean bits per pixel (a logarithmic scale); a line joins the settings of a "
        "codec. Point at a "
        "mark, or go through them by arrow keys, for its numbers; press a codec to hide it."
    )
    return Chart("rate-distortion", "curves", caption, "bits per pixel", shown, panels)


def _series(source: Source, means: Sequence[Means], families: Families) -> list[Series]:
    curves: dict[str, list[Means]] = {}
    for mean in means:
        if mean.source == source.name and not mean.is_search:
            curves.setdefault(families.name(mean.codec, mean.setting), []).append(mean)
    found: list[Series] = []
    for name, points in curves.items():
        lossy = [mean for mean in points if _is_lossy(mean)]
        if lossy:
            values = {one.column: [mean.quality[one.column] for mean in lossy] for one in MEASURES}
            found.append(
                Series(
                    name,
                    families.hue(name),
                    [mean.bits_per_pixel for mean in lossy],
                    {column: ys for column, ys in values.items() if any(y is not None for y in ys)},
                    [f"{mean.codec} {mean.setting}" for mean in lossy],
                )
            )
    return found


def _is_lossy(mean: Means) -> bool:
    return all(value is None or math.isfinite(value) for value in mean.quality.values())


def bd_rates(results: Results, families: Families) -> Table | None:
    """Returns BD-rates against JPEG: bytes for equal quality, in per cent, as means over the images.

    None when there are no curves of enough points. `bjontegaard` must be installed.
    """
    measures = [one for one in MEASURES if one.column != "psnr_y_db"]
    columns = ", ".join(one.column for one in measures)
    rows = results.query(
        f"select source, image, codec, setting, bits_per_pixel, {columns} from plain "
        "where target_bytes is null order by cell_index"
    )
    curves: dict[tuple[str, str, str], list[tuple[float, ...]]] = {}
    for source, image, codec, setting, *point in rows:
        if is_swept(setting):
            curves.setdefault((source, families.name(codec, setting), image), []).append(tuple(point))
    anchor = families.first(ANCHOR) or ""
    names = dict.fromkeys((source, name) for source, name, _ in curves if name != anchor)
    found: list[tuple[str, str, list[Interval | None]]] = []
    for source, name in names:
        pairs = [
            (curves[source, anchor, image], points)
            for (own, kind, image), points in curves.items()
            if (own, kind) == (source, name) and (source, anchor, image) in curves
        ]
        rates = [_mean_rate(pairs, place) for place in range(1, len(measures) + 1)]
        if any(rates):
            found.append((source, name, rates))
    if not found:
        return None
    shown = [i for i in range(len(measures)) if any(rates[i] for _, _, rates in found)]
    head = [Column("source", "images"), Column("codec", "codec")]
    for i in shown:
        one = measures[i]
        group = f"equal {one.title}"
        head += [
            Column(f"{one.column}_bd_rate_percent", "bytes", "+.1f", group, " %"),
            Column(f"{one.column}_low", "95 % from", "+.1f", group),
            Column(f"{one.column}_high", "to", "+.1f", group),
            Column(f"{one.column}_images", "n", "d", group),
        ]
    body = [
        [source, name, *(value for i in shown for value in _interval_cells(rates[i]))]
        for source, name, rates in found
    ]
    caption = (
        "BD-rate: how many more bytes than `jpeg` (libjpeg-turbo) a codec takes for the same quality, over "
        "the "
        "qualities that both have; below zero it takes fewer. Means over the images with their bootstrap "
        "intervals."
    )
    return Table("bd_rates", caption, head, body)


def _interval_cells(interval: Interval | None) -> list[float | int | None]:
    return [interval.mean, interval.low, interval.high, interval.count] if interval else [None] * 4


def _mean_rate(
    pairs: Sequence[tuple[list[tuple[float, ...]], list[tuple[float, ...]]]], place: int
) -> Interval | None:
    rates = [_rate(anchor, tested, place) for anchor, tested in pairs]
    known = [rate for rate in rates if rate is not None]
    return bootstrap(known) if known else None


def _rate(anchor: list[tuple[float, ...]], tested: list[tuple[float, ...]], place: int) -> float | None:
    """Returns the BD-rate by Akima interpolation of one image, None where the curves do not allow one."""
    bjontegaard = cast("Any", import_module("bjontegaard"))  # by name: it has no types
    ours, theirs = _rising(tested, place), _rising(anchor, place)
    if min(len(ours), len(theirs)) < MIN_POINTS:
        return None
    low, high = max(ours[0][1], theirs[0][1]), min(ours[-1][1], theirs[-1][1])
    if high - low < MIN_OVERLAP * min(ours[-1][1] - ours[0][1], theirs[-1][1] - theirs[0][1]):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of little overlap, which was looked at
        rate = float(
            bjontegaard.bd_rate(
                [rate for rate, _ in theirs],
                [value for _, value in theirs],
                [rate for rate, _ in ours],
                [value for _, value in ours],
                "akima",
                require_matching_points=False,
                min_overlap=MIN_OVERLAP,
            )
        )
    return rate if math.isfinite(rate) else None


def _rising(points: list[tuple[float, ...]], place: int) -> list[tuple[float, float]]:
    """Returns (rate, quality) by rising rate, without points that cost more and are not better."""
    kept: list[tuple[float, float]] = []
    for point in sorted(points):
        value = point[place]
        if isinstance(value, float) and math.isfinite(value) and (not kept or value > kept[-1][1]):
            kept.append((point[0], value))
    return kept


def mean_rates(rows: Table) -> dict[str, float]:
    """Returns the mean BD-rate of each codec over the sources by the first measure of the table."""
    found: dict[str, list[float]] = {}
    for row in rows.rows:
        if isinstance(row[2], float):
            found.setdefault(str(row[1]), []).append(row[2])
    return {name: fmean(values) for name, values in found.items()}

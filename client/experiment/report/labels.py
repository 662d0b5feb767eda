"""How results differ by label, and how changes of the images change them."""

from __future__ import annotations

from collections.abc import Sequence

from client.experiment.report.blocks import Chart, Column, Panel, Series, Table
from client.experiment.report.data import Results
from client.experiment.report.groups import Source
from client.experiment.report.measures import SEARCH, Families, bootstrap

_SHOWN = 4
"""Curves in the charts; more would hide each other."""


def label_table(results: Results) -> Table | None:
    """Returns a row for each label and setting of the sources that have several labels; None without such."""
    rows = results.query(
        "select source, label, codec, setting, count(*), avg(compressed_bytes) / 1024, "
        "100 * (1 - avg(compressed_bytes) / avg(original_bytes)), avg(bits_per_pixel), "
        "avg(psnr_rgb_db) filter (isfinite(psnr_rgb_db)), avg(ssim) from plain where label is not null and "
        "source in "
        "(select source from plain group by source having count(distinct label) > 1) "
        "group by source, label, codec, setting "
        "order by min(min(cell_index)) over (partition by source), label, min(cell_index)"
    )
    columns = [
        Column("source", "images"),
        Column("label", "label"),
        Column("codec", "codec"),
        Column("setting", "setting"),
        Column("images", "n", "d"),
        Column("compressed_kb", "KB after", ".2f"),
        Column("compression_percent", "smaller by", ".2f", unit=" %"),
        Column("bits_per_pixel", "bits per pixel", ".3f"),
        Column("psnr_rgb_db", "PSNR dB", ".2f"),
        Column("ssim", "SSIM", ".4f"),
    ]
    return Table("labels", "Means by label.", columns, rows) if rows else None


def label_chart(results: Results, sources: Sequence[Source], families: Families) -> Chart | None:
    """Returns bits per pixel and quality of each label; None when no source has several labels."""
    shown = _settings(results, families)
    if not shown:  # nothing but searches
        return None
    panels: list[Panel] = []
    for source in sources:
        rows = results.query(
            "select label, codec, setting, list(bits_per_pixel), list(psnr_rgb_db), list(ssim) from plain "
            "where source = $source and label is not null group by label, codec, setting order by label",
            source=source.name,
        )
        if len({row[0] for row in rows}) < 2:
            continue
        rows = _by_size(rows, shown[0])
        series = [
            _series(f"{codec} {setting}", families.hue(families.name(codec, setting)), [
                (row[0], dict(zip(("bits_per_pixel", "psnr_rgb_db", "ssim"), row[3:], strict=True)))
                for row in rows if row[1:3] == (codec, setting)
            ])
            for codec, setting in shown
        ]  # fmt: skip
        panels.append(Panel(source.title, [one for one in series if one.labels]))
    measures = {"bits_per_pixel": "bits per pixel", "psnr_rgb_db": "PSNR (dB)", "ssim": "SSIM"}
    caption = (
        "Each label under some settings: means over its images, with the 95 % bootstrap interval of the mean."
    )
    return Chart("labels", "intervals", caption, "", measures, panels) if panels else None


def perturbation_chart(results: Results, sources: Sequence[Source], families: Families) -> Chart | None:
    """Returns how perturbations change size and quality against the same image as it was; None without."""
    shown = _settings(results, families)
    panels: list[Panel] = []
    for source in sources:
        rows = results.query(
            "select p.perturbation, p.codec, p.setting, "
            "list(100 * (p.compressed_bytes / n.compressed_bytes - 1)), "
            "list(p.psnr_rgb_db - n.psnr_rgb_db), list(p.ssim - n.ssim) from good p join plain n "
            "using (source, image, codec, setting) where source = $source and p.perturbation <> 'none' "
            "group by p.perturbation, p.codec, p.setting order by min(p.cell_index)",
            source=source.name,
        )
        series = [
            _series(f"{codec} {setting}", families.hue(families.name(codec, setting)), [
                (row[0], dict(zip(("size", "psnr_rgb_db", "ssim"), row[3:], strict=True)))
                for row in rows if row[1:3] == (codec, setting)
            ])
            for codec, setting in shown
        ]  # fmt: skip
        if rows:
            panels.append(Panel(source.title, [one for one in series if one.labels]))
    measures = {
        "size": "change of size (%)",
        "psnr_rgb_db": "change of PSNR (dB)",
        "ssim": "change of SSIM",
    }
    caption = (
        "What a change of the image does to its compressed size and quality: means of the differences from "
        "the same "
        "image without the change, with their 95 % bootstrap intervals."
    )
    return Chart("perturbations", "intervals", caption, "", measures, panels) if panels else None


def perturbation_table(results: Results) -> Table | None:
    """Returns a row for each source, perturbation and setting; None without perturbations."""
    rows = results.query(
        "select source, p.perturbation, codec, setting, count(*), "
        "avg(100 * (p.compressed_bytes / n.compressed_bytes - 1)), "
        "avg(p.psnr_rgb_db - n.psnr_rgb_db) filter (isfinite(p.psnr_rgb_db) and isfinite(n.psnr_rgb_db)), "
        "avg(p.ssim - n.ssim) from good p join plain n using (source, image, codec, setting) "
        "where p.perturbation <> 'none' group by all order by min(p.cell_index)"
    )
    columns = [
        Column("source", "images"),
        Column("perturbation", "change"),
        Column("codec", "codec"),
        Column("setting", "setting"),
        Column("images", "n", "d"),
        Column("size_change_percent", "size", "+.1f", "change of", " %"),
        Column("psnr_change_db", "PSNR dB", "+.2f", "change of"),
        Column("ssim_change", "SSIM", "+.4f", "change of"),
    ]
    return Table("perturbations", "Means of the changes.", columns, rows) if rows else None


def _settings(results: Results, families: Families) -> list[tuple[str, str]]:
    """Returns the first lossy setting of each curve, in the plan's order; without any, of all settings."""
    rows = results.query(
        "select codec, setting, not coalesce(bool_and(isinf(psnr_rgb_db)), true) from plain "
        "where not starts_with(setting, $search) group by codec, setting order by min(cell_index)",
        search=SEARCH,
    )
    first: dict[str, tuple[str, str]] = {}
    for codec, setting, _ in [row for row in rows if row[2]] or rows:
        first.setdefault(families.name(codec, setting), (codec, setting))
    return list(first.values())[:_SHOWN]


def _by_size(rows: list[tuple[object, ...]], first: tuple[str, str]) -> list[tuple[object, ...]]:
    """Returns the rows with the labels that take most bits under the first setting first."""
    sizes = {row[0]: bootstrap(_finite(row[3])).mean for row in rows if row[1:3] == first}
    return sorted(rows, key=lambda row: -sizes.get(row[0], 0.0))


def _series(name: str, hue: int, rows: Sequence[tuple[object, dict[str, object]]]) -> Series:
    found = [{key: _finite(values) for key, values in measures.items()} for _, measures in rows]
    intervals = [{key: bootstrap(values) if values else None for key, values in one.items()} for one in found]
    keys = list(intervals[0]) if intervals else []
    return Series(
        name,
        hue,
        [0.0] * len(rows),
        {key: [one[key].mean if one[key] else None for one in intervals] for key in keys},  # pyright: ignore[reportOptionalMemberAccess]
        [str(label) for label, _ in rows],
        {key: [one[key].low if one[key] else None for one in intervals] for key in keys},  # pyright: ignore[reportOptionalMemberAccess]
        {key: [one[key].high if one[key] else None for one in intervals] for key in keys},  # pyright: ignore[reportOptionalMemberAccess]
    )


def _finite(values: object) -> list[float]:
    import math

    return [value for value in values if isinstance(value, float) and math.isfinite(value)]  # type: ignore[union-attr]

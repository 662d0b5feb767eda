"""The summary of an experiment in words, with the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from client.experiment.report.blocks import Block, Points, Table, Text, minus
from client.experiment.report.curves import mean_rates
from client.experiment.report.data import Results
from client.experiment.report.groups import Means, Source
from client.experiment.report.measures import Interval
from client.experiment.report.study import COMPRESSION, REFERENCE
from client.experiment.report.verdict import EqualSize


def summary(
    results: Results,
    sources: Sequence[Source],
    means: Sequence[Means],
    comparisons: Sequence[EqualSize],
    rates: Table | None,
) -> list[Block]:
    """Returns what came out, in sentences."""
    lead = _verdict_of_study(comparisons) or _best_rate(rates) or _smallest(means)
    points = [
        _scope(results, sources),
        *(_beside(sources, means, kind) for kind in ("real", "generated")),
        _largest_label_effect(results),
        _largest_change(results),
        _failed(results),
    ]
    return [*([Text(lead, "lead")] if lead else []), Points([point for point in points if point])]


def _verdict_of_study(comparisons: Sequence[EqualSize]) -> str:
    """Says on how many sets the study's order at equal size holds: JPEG, then DCT, then k-means."""
    known = [one for one in comparisons if one.reference == REFERENCE]
    parts = [
        _order(known, kind, noun) for kind, noun in (("real", "photographs"), ("generated", "images of GANs"))
    ]
    found = [part for part in parts if part]
    lead = "The study put JPEG first, DCT 0.01 second and k-means last at equal size. "
    return lead + " ".join(found) if found else ""


def _order(comparisons: Sequence[EqualSize], kind: str, noun: str) -> str:
    pairs = {("jpeg", "dct"): "JPEG", ("kmeans", "dct"): "k-means"}
    parts: list[str] = []
    for (one, other), name in pairs.items():
        gaps = [gap for own in comparisons if own.source.kind == kind and (gap := _gap(own, one, other))]
        above, below = (sum(gap.is_clear and (gap.mean > 0) == up for gap in gaps) for up in (True, False))
        if gaps:
            parts.append(
                f"{name} clearly beats DCT on **{above} of {len(gaps)}** sets and loses on **{below}**"
            )
    return f"On {noun} {'; '.join(parts)}." if parts else ""


def _gap(comparison: EqualSize, one: str, other: str) -> Interval | None:
    by_name = {contender.codec: contender for contender in comparison.contenders}
    if one not in by_name or other not in by_name:
        return None
    return comparison.difference(by_name[one], by_name[other], comparison.measures[0])


def _best_rate(rates: Table | None) -> str:
    found = mean_rates(rates) if rates else {}
    if not found:
        return ""
    order = sorted(found.items(), key=lambda one: one[1])
    listed = ", ".join(f"`{name}` {minus(f'{rate:+.1f}')} %" for name, rate in order)
    title = next(column.group for column in rates.columns if column.group) if rates else ""
    return f"Bytes for {title}, against JPEG by libjpeg-turbo: {listed}."


def _smallest(means: Sequence[Means]) -> str:
    lossy = [one for one in means if one.quality["ssim"] is not None and one.exact < one.images]
    if not lossy:
        return ""
    one = min(lossy, key=lambda mean: mean.bits_per_pixel)
    return (
        f"The smallest files came from `{one.codec} {one.setting}`: **{one.bits_per_pixel:.2f} bits per "
        "pixel** on "
        f"{one.source}."
    )


def _scope(results: Results, sources: Sequence[Source]) -> str:
    cells, settings = results.query("select count(*), count(distinct (codec, setting)) from cells")[0]
    real = sum(source.images for source in sources if source.kind == "real")
    drawn = sum(source.images for source in sources if source.kind == "generated")
    share = "" if cells == results.manifest.cells else f" of {results.manifest.cells:,}"
    return (
        f"**{cells:,}**{share} cells: **{real:,}** photographs and **{drawn:,}** generated images in "
        f"{len(sources)} {'set' if len(sources) == 1 else 'sets'}, under {settings} settings."
    )


def _beside(sources: Sequence[Source], means: Sequence[Means], kind: str) -> str:
    """Sets the study's image of a kind beside our largest of that kind."""
    own = [source for source in sources if source.kind == kind and source.width_px]
    if not own:
        return ""
    source = max(own, key=lambda one: (one.width_px or 0) * (one.height_px or 0))
    ours = {(one.codec, one.setting): one.compression_percent for one in means if one.source == source.name}
    pairs = [
        f"`{row.codec} {row.setting}` **{minus(f'{ours[row.codec, row.setting]:.0f}')} %** "
        f"({row.smaller_by_percent:.0f} %)"
        for row in COMPRESSION
        if row.kind == kind and (row.codec, row.setting) in ours
    ]
    return f"{source.title} became smaller by, in brackets the study's: {', '.join(pairs)}." if pairs else ""


def _largest_label_effect(results: Results) -> str:
    rows = results.query(
        "with one as (select source, label, codec, setting, avg(bits_per_pixel) rate, count(*) n from plain "
        "where label is not null and codec || ' ' || setting = $setting group by all), "
        "many as (select source from one group by source having count(*) > 1) "
        "select source, arg_min(label, rate), min(rate), arg_max(label, rate), max(rate) from one "
        "where source in (select source from many) group by source order by max(rate) / min(rate) desc "
        "limit 1",
        setting=REFERENCE,
    )
    if not rows:
        return ""
    source, low_label, low, high_label, high = rows[0]
    return (
        f"The label matters most in {source}: under `{REFERENCE}` a {high_label} takes **{high:.2f}** bits "
        "per pixel, a "
        f"{low_label} **{low:.2f}**."
    )


def _largest_change(results: Results) -> str:
    """Says which change of the images does most to sizes."""
    rows = results.query(
        "select p.perturbation, codec, setting, source, "
        "avg(100 * (p.compressed_bytes / n.compressed_bytes - 1)) "
        "from good p join plain n using (source, image, codec, setting) where p.perturbation <> 'none' "
        "group by all order by abs(avg(p.compressed_bytes / n.compressed_bytes - 1)) desc, "
        "min(p.cell_index) limit 1"
    )
    if not rows:
        return ""
    change, codec, setting, source, percent = rows[0]
    return (
        f"Of the changes `{change}` does most to sizes: **{minus(f'{percent:+.0f}')} %** under "
        f"`{codec} {setting}` on {source}."
    )


def _failed(results: Results) -> str:
    failed = results.query("select count(*) from cells where error is not null")[0][0]
    return f"**{failed:,}** cells failed; their errors are listed below." if failed else ""

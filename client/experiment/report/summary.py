"""The summary of an experiment in words, with the numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from client.experiment.report.blocks import Block, Points, Table, Text, minus
from client.experiment.report.curves import mean_rates
from client.experiment.report.data import Results
from client.experiment.report.groups import Means, Source
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
        _failed(results),
    ]
    return [*([Text(lead, "lead")] if lead else []), Points([point for point in points if point])]


def _verdict_of_study(comparisons: Sequence[EqualSize]) -> str:
    """Says on how many sources the study's order at equal size holds: JPEG, then DCT, then k-means."""
    known = [
        one
        for one in comparisons
        if one.reference == REFERENCE and {c.codec for c in one.contenders} >= {"dct", "jpeg"}
    ]
    if not known:
        return ""
    winners = Counter[str]()
    ahead = 0
    for one in known:
        measure = one.measures[0]
        by_name = {c.codec: c for c in one.contenders}
        gap = one.difference(by_name["jpeg"], by_name["dct"], measure)
        if gap and gap.is_clear:
            winners["jpeg" if gap.mean > 0 else "dct"] += 1
        kmeans = by_name.get("kmeans")
        below = one.difference(by_name["dct"], kmeans, measure) if kmeans else None
        ahead += bool(below and below.is_clear and below.mean > 0)
    count = len(known)
    unclear = count - winners["jpeg"] - winners["dct"]
    text = (
        "The study put JPEG before DCT 0.01, and k-means last. At equal size here, JPEG is clearly better "
        "than our DCT on "
        f"**{winners['jpeg']} of {count}** sets of images and clearly worse on **{winners['dct']}**"
    )
    text += f" ({unclear} are undecided)" if unclear else ""
    return f"{text}; k-means is clearly behind DCT on **{ahead}**."


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
        f"{len(sources)} "
        f"sets, under {settings} settings."
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


def _failed(results: Results) -> str:
    failed = results.query("select count(*) from cells where error is not null")[0][0]
    return f"**{failed:,}** cells failed; their errors are listed below." if failed else ""

"""Which codec is best at equal size: paired differences over the images, with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from client.experiment.report.blocks import Chart, Column, Panel, Series, Table, Value
from client.experiment.report.data import Results
from client.experiment.report.groups import Source
from client.experiment.report.measures import (
    MEASURES,
    SEARCH,
    Families,
    Interval,
    Measure,
    bootstrap,
    covered,
)


@dataclass(frozen=True)
class Contender:
    """A codec that was searched for the size of the reference, or the reference itself."""

    codec: str
    """Its name, with the options that were set beside the one searched."""
    reached: int
    """Images for which it reached the size."""
    size_percent: float
    """Its mean size in per cent of the reference's."""
    scores: dict[str, dict[str, float]]
    """For each measure the value of each image."""


@dataclass(frozen=True)
class EqualSize:
    """A comparison at equal size on one source."""

    source: Source
    """The source."""
    reference: str
    """Codec and setting whose size was to be reached."""
    images: int
    """Images of the reference."""
    contenders: Sequence[Contender]
    """The reference first."""

    def difference(self, one: Contender, other: Contender, measure: Measure) -> Interval | None:
        """Returns how much better one is than another over the images that both have; None for none."""
        a, b = one.scores[measure.column], other.scores[measure.column]
        common = [image for image in a if image in b]
        return bootstrap([a[image] - b[image] for image in common]) if common else None

    @property
    def measures(self) -> list[Measure]:
        """The measures that this source has."""
        return [one for one in MEASURES if any(c.scores[one.column] for c in self.contenders[1:])]

    def ranking(self, measure: Measure) -> list[Contender]:
        """Returns the contenders that reached the size on nine images of ten, best first."""
        fit = [one for one in self.contenders if len(one.scores[measure.column]) >= 0.9 * self.images]
        return sorted(fit, key=lambda one: -fmean(one.scores[measure.column].values()))


def equal_size(results: Results, sources: Sequence[Source]) -> list[EqualSize]:
    """Returns the comparisons at equal size, in the order of the sources; exact results are left out."""
    columns = ", ".join(f"{one.column}" for one in MEASURES)
    named = {source.name: source for source in sources}
    rows = results.query(
        "select source, split_part(setting, ', ', 1), trim(codec || ' ' || split_part(setting, ', ', 2)), "
        f"image, compressed_bytes / target_bytes, {columns} from plain "
        "where target_bytes is not null order by cell_index"
    )
    references = results.query(
        f"select source, $search || codec || case when setting in ('default', 'lossless') then '' "
        f"else ' ' || setting end, codec, image, 1.0, {columns} from plain "
        "where target_bytes is null order by cell_index",
        search=SEARCH,
    )
    found: list[EqualSize] = []
    for source, setting in dict.fromkeys((row[0], row[1]) for row in rows):
        own = [row for row in references if row[:2] == (source, setting)]
        if not own:
            continue
        others = [row for row in rows if row[:2] == (source, setting)]
        codecs = dict.fromkeys(row[2] for row in others)
        contenders = [_contender(own[0][2], own)]
        contenders += [_contender(codec, [row for row in others if row[2] == codec]) for codec in codecs]
        found.append(EqualSize(named[source], setting.removeprefix(SEARCH), len(own), contenders))
    return found


def _contender(codec: str, rows: Sequence[tuple[object, ...]]) -> Contender:
    scores: dict[str, dict[str, float]] = {one.column: {} for one in MEASURES}
    for row in rows:
        for one, value in zip(MEASURES, row[5:], strict=True):
            if isinstance(value, float) and abs(value) != float("inf"):
                scores[one.column][str(row[3])] = value
    return Contender(codec, len(rows), 100 * fmean(float(str(row[4])) for row in rows), scores)


def verdicts(comparisons: Sequence[EqualSize]) -> Table:
    """Returns a row for each source: which codec is best, by how much, and whether that is clear."""
    columns = [
        Column("source", "images"),
        Column("images", "n", "d"),
        Column("best", "best"),
        Column("second", "second"),
        Column("measure", "by"),
        Column("difference", "ahead by", "+.3g"),
        Column("low", "95 % from", "+.3g"),
        Column("high", "to", "+.3g"),
        Column("verdict", "verdict"),
    ]
    caption = (
        "The best codec of each set by the first of SSIMULACRA2, SSIM and PSNR that it has. A difference "
        "is clear "
        "when its 95 % bootstrap interval leaves zero out."
    )
    return Table("verdicts", caption, columns, [_verdict(one) for one in comparisons])


def _verdict(comparison: EqualSize) -> list[Value]:
    measure = comparison.measures[0]
    ranking = comparison.ranking(measure)
    gap = comparison.difference(ranking[0], ranking[1], measure) if len(ranking) > 1 else None
    if gap is None:
        reason = "too few images reached the size"
        return [comparison.source.title, comparison.images, *[None] * 6, reason]
    verdict = "clear" if gap.is_clear else "one image only" if gap.count == 1 else "not clear"
    return [
        comparison.source.title,
        gap.count,
        ranking[0].codec,
        ranking[1].codec,
        measure.titled,
        gap.mean,
        gap.low,
        gap.high,
        verdict,
    ]


def table(comparisons: Sequence[EqualSize]) -> Table:
    """Returns a row for each source and codec with its mean difference from the reference."""
    measures = [one for one in MEASURES if any(one in comparison.measures for comparison in comparisons)]
    columns = [
        Column("source", "images"),
        Column("reference", "at the size of"),
        Column("codec", "codec"),
        Column("images", "n", "d"),
        Column("size_percent", "size", ".1f", unit=" %"),
    ]
    for one in measures:
        name = one.titled
        columns += [
            Column(one.column, "mean", one.form, name),
            Column(f"{one.column}_difference", "vs. reference", f"+{one.form}", name),
            Column(f"{one.column}_low", "95 % from", f"+{one.form}", name),
            Column(f"{one.column}_high", "to", f"+{one.form}", name),
        ]
    rows = [
        [
            comparison.source.name,
            comparison.reference,
            one.codec,
            one.reached,
            one.size_percent,
            *(value for measure in measures for value in _cells(comparison, one, measure)),
        ]
        for comparison in comparisons
        for one in comparison.contenders
    ]
    caption = "Quality at equal size; differences are of the same images, with their bootstrap intervals."
    return Table("equal_size", caption, columns, rows)


def _cells(comparison: EqualSize, one: Contender, measure: Measure) -> list[Value]:
    values = one.scores[measure.column].values()
    mean = fmean(values) if values else None
    if one is comparison.contenders[0] or mean is None:
        return [mean, None, None, None]
    gap = comparison.difference(one, comparison.contenders[0], measure)
    return [mean, gap.mean, gap.low, gap.high] if gap else [mean, None, None, None]


def chart(comparisons: Sequence[EqualSize], families: Families) -> Chart:
    """Returns a chart of the differences from the reference."""
    measures = covered([[one.column for one in comparison.measures] for comparison in comparisons])
    panels = [
        Panel(
            comparison.source.title,
            [_series(comparison, one, families) for one in comparison.contenders[1:]],
        )
        for comparison in comparisons
    ]
    references = dict.fromkeys(f"`{comparison.reference}`" for comparison in comparisons)
    caption = (
        f"How much better (right) or worse (left) each codec is than {' or '.join(references)} when its "
        "file is as large: "
        "mean over the images, with the 95 % bootstrap interval of the mean. Some codecs cannot be made as "
        "large: the "
        "table has their sizes."
    )
    titles = {one.column: f"{one.titled}, difference" for one in measures}
    return Chart("equal-size", "intervals", caption, "", titles, panels)


def _series(comparison: EqualSize, one: Contender, families: Families) -> Series:
    gaps = {m.column: comparison.difference(one, comparison.contenders[0], m) for m in comparison.measures}
    return Series(
        one.codec,
        families.hue(one.codec.split()[0]),
        [0],
        {name: [gap.mean if gap else None] for name, gap in gaps.items()},
        [one.codec],
        {name: [gap.low if gap else None] for name, gap in gaps.items()},
        {name: [gap.high if gap else None] for name, gap in gaps.items()},
    )

"""What the report of an experiment says, before it becomes Markdown or HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from client.experiment.pictures import Picture, SourceName
from client.experiment.results import Row
from client.experiment.showcase import Strip
from client.experiment.study import STUDY, StudyRow
from client.experiment.summary import Line, Means

TECHNIQUES = {"dct": "DCT", "kmeans": "K-means", "pillow": "Pillow"}
"""The techniques as the study writes them."""

STUDY_NOTE = (
    "The study compressed one 640x480 JPEG photograph and one 664x331 picture of generated images in a grid; "
    "ours are means over the images above. By all signs its sizes for DCT are those of the reconstruction "
    "saved as JPEG again; ours are those of the DCT file. Its k-means file holds the centroids and a label "
    "for each pixel; ours is an indexed PNG."
)
_SIZES_NOTE = (
    "Sizes are means in KB (1024 bytes). Smaller by is the reduction from size before to size after, as in "
    "the study; it is negative where files grew."
)
_QUALITY_NOTE = (
    "PSNR and SSIM compare the pixels after decompressing with those before. PSNR is exact where every pixel "
    "came back; a mean leaves such images out."
)


@dataclass(frozen=True)
class Table:
    """A table whose columns stand in groups."""

    groups: list[tuple[str, int]]
    """Titles of the groups with their number of columns; the first group is text, the others numbers."""
    head: list[str]
    """Titles of the columns."""
    rows: list[list[str]]
    """The cells."""


@dataclass(frozen=True)
class Report:
    """All that both forms of the report say."""

    title: str
    """What was compared."""
    facts: list[str]
    """Which images, which model, which command, one sentence each."""
    summary: Table
    """A row for each setting, generated beside real."""
    notes: list[str]
    """How to read it, one paragraph each."""
    study: Table | None
    """The study's rows beside ours; None when no setting matches."""
    failures: list[str]
    """Images that did not come through everything, with the reason."""
    charts: dict[SourceName, str]
    """Rate-distortion charts, as SVG files."""
    strips: list[Strip]
    """Pictures; only in HTML."""


def write_report(
    *,
    pictures: Sequence[Picture],
    rows: Sequence[Row],
    lines: Sequence[Line],
    charts: dict[SourceName, str],
    strips: list[Strip],
    command: str,
    version: str,
    size_px: int | None,
) -> Report:
    """Puts the report together.

    Args:
        pictures: The images.
        rows: The results.
        lines: Their means.
        charts: Their charts.
        strips: Pictures.
        command: The command line that gives the same results again.
        version: Version of GanPress.
        size_px: Side to which real images were resized, None for their own.
    """
    generated = [picture for picture in pictures if picture.source == "generated"]
    real = [picture for picture in pictures if picture.source == "real"]
    facts = [_generated_fact(generated), _real_fact(real, size_px), f"GanPress {version}: {command}"]
    return Report(
        title=f"{_count(generated, 'generated')} and {_count(real, 'real')}, {len(lines)} settings",
        facts=facts,
        summary=summary_table(lines, has_real=bool(real)),
        notes=[_SIZES_NOTE, _before_note(has_real=bool(real), size_px=size_px), _QUALITY_NOTE],
        study=_study_table(lines),
        failures=_failures(rows),
        charts=charts,
        strips=strips,
    )


def summary_table(lines: Sequence[Line], *, has_real: bool) -> Table:
    """Returns the study's columns with rate and quality, for each setting."""
    columns = ["size before", "size after", "smaller by", "bpp", "PSNR dB", "SSIM"]
    groups = [("", 2), ("generated", len(columns))] + [("real", len(columns))] * has_real
    rows = [
        [
            TECHNIQUES.get(line.technique, line.technique),
            f"{line.codec} {line.setting}",
            *_numbers(line.generated),
            *(_numbers(line.real) if has_real else []),
        ]
        for line in lines
    ]
    return Table(groups, ["technique", "setting", *columns * (1 + has_real)], rows)


def psnr_text(psnr_db: float) -> str:
    """Returns decibels for a reader, "exact" for infinity."""
    return f"{psnr_db:.2f}" if math.isfinite(psnr_db) else "exact"


def _before_note(*, has_real: bool, size_px: int | None) -> str:
    note = "Size before is that of the file that went in. Generated images come as PNG, which is lossless."
    if size_px and has_real:
        note += f" Real ones were resized to {size_px}x{size_px} and come as PNG too."
    elif has_real:
        note += (
            " Real ones come as they were given. A JPEG has already lost what JPEG drops: it shrinks little, "
            "and jpeg and dct, which cut the same blocks, lose less than on a fresh image; --size-px avoids "
            "both."
        )
    return f"{note} Compare codecs by bits per pixel (bpp) at equal PSNR or SSIM."


def _numbers(means: Means | None) -> list[str]:
    if not means:
        return [""] * 6
    return [
        _kb(means.input_bytes),
        _kb(means.output_bytes),
        f"{means.reduction_percent:.2f} %",
        f"{means.bits_per_pixel:.3f}",
        psnr_text(means.psnr_db),
        "" if means.ssim is None else f"{means.ssim:.4f}",
    ]


def _study_table(lines: Sequence[Line]) -> Table | None:
    rows = [
        _study_row(theirs, line)
        for theirs in STUDY
        for line in lines
        if (line.codec, line.setting) == (theirs.codec, theirs.setting)
    ]
    columns = ["before KB", "after KB", "smaller by"]
    groups = [("", 3), ("study", 3), ("generated", 1), ("real", 1)]
    head = ["technique", "setting", "study's image", *columns, "smaller by", "smaller by"]
    return Table(groups, head, rows) if rows else None


def _study_row(theirs: StudyRow, ours: Line) -> list[str]:
    return [
        TECHNIQUES[ours.technique],
        f"{ours.codec} {ours.setting}",
        theirs.source,
        f"{theirs.before_kb:.2f}",
        f"{theirs.after_kb:.2f}",
        theirs.smaller_by,
        *(f"{means.reduction_percent:.2f} %" if means else "" for means in (ours.generated, ours.real)),
    ]


def _failures(rows: Sequence[Row]) -> list[str]:
    """Returns a sentence for each image and error, with the number of its settings."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.error is not None:
            groups.setdefault((row.file, row.error), []).append(row)
    return [
        f"{file}, {len(failed)} of the settings (first {failed[0].codec} {failed[0].setting}): {error}"
        for (file, error), failed in groups.items()
    ]


def _generated_fact(pictures: Sequence[Picture]) -> str:
    models = sorted({f"{p.model} ({(p.model_digest or '')[:12]})" for p in pictures})
    labels = sorted({p.label for p in pictures if p.label})
    seeds = sorted({p.seed for p in pictures if p.seed is not None})
    drawn = f"{_count(pictures, 'generated')} of the model {', '.join(models)}"
    with_labels = f", labels {', '.join(labels)}" if labels else ""
    return f"{drawn}{with_labels}, seeds {seeds[0]} to {seeds[-1]}."


def _real_fact(pictures: Sequence[Picture], size_px: int | None) -> str:
    if not pictures:
        return "No real images: name photographs with --images to compare them."
    size = f"resized to {size_px}x{size_px}" if size_px else "in their own size"
    return f"{_count(pictures, 'real')}, {size}: {', '.join(_shortened([p.file for p in pictures]))}."


def _shortened(names: list[str]) -> list[str]:
    return names if len(names) <= 5 else [*names[:4], f"and {len(names) - 4} more"]


def _count(pictures: Sequence[Picture], kind: str) -> str:
    return f"{len(pictures) or 'no'} {kind} image" + "s" * (len(pictures) != 1)


def _kb(size_bytes: float) -> str:
    return f"{size_bytes / 1024:.2f}"

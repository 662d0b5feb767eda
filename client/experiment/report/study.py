"""The results of the 2022 study that GanPress started from, beside ours.

The study compressed one 640x480 JPEG photograph of a car (155.97 KB, 155 KB where it speaks of DCT and
k-means) and one 664x331 picture of generated images in a grid (60.82 KB).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from client.experiment.report.blocks import Column, Table, Value
from client.experiment.report.groups import Means, Source

REFERENCE = "dct threshold=0.01"
"""What the study compared the other techniques with at equal size."""

NOTE = (
    "The study compressed one photograph and one picture of generated images in a grid; ours are means "
    "over the images "
    "of each source. Its sizes for DCT look like those of the reconstruction saved as JPEG again; ours are "
    "those "
    "of the DCT file. Its k-means file holds the centroids and a label for each pixel; ours is an indexed "
    "PNG. Sizes "
    "before depend on the input: photographs came as JPEG, images of 64×64 as PNG."
)
TRAINING_NOTE = (
    "The study trained each of these for 50 epochs on one Colab GPU and measured no quality. "
    "`ganpress-trainer study` "
    "does them again."
)


@dataclass(frozen=True)
class CompressionRow:
    """One row of the study's tables of compression; 1 KB is 1024 bytes."""

    kind: str
    """Whether the image was real or generated."""
    codec: str
    """Our codec of the same technique."""
    setting: str
    """Our name of the same setting."""
    before_kb: float
    """Size before."""
    after_kb: float
    """Size after."""
    smaller_by_percent: float
    """Reduction as the study prints it."""


COMPRESSION = (
    CompressionRow("real", "dct", "threshold=0.01", 155.0, 60.6, 60.903),
    CompressionRow("real", "dct", "threshold=0.02", 155.0, 43.5, 71.936),
    CompressionRow("real", "dct", "threshold=0.03", 155.0, 35.7, 76.968),
    CompressionRow("real", "kmeans", "k=64", 155.0, 90.0, 42.0),
    CompressionRow("real", "jpeg", "quality=90", 155.97, 76.97, 50.65),
    CompressionRow("real", "jpeg", "quality=85", 155.97, 60.30, 61.34),
    CompressionRow("generated", "jpeg", "quality=85", 60.82, 56.04, 7.86),
)

TRAINING = (
    ("cars, training split", 8000, 20, 52, 162),
    ("cars, test split", 8000, 20, 48, 154),
    ("dogs, training split", 4000, 15, 28, 73),
    ("dogs, test split", 1000, 5, 12, 23),
)
"""Data, images, batch, minutes of DCGAN and of CGAN."""


def compression_table(sources: Sequence[Source], means: Sequence[Means]) -> Table | None:
    """Returns the study's rows with ours for every source of the same kind; None when no setting matches."""
    by_name = {source.name: source for source in sources}
    rows = [
        [
            f"{theirs.codec} {theirs.setting}",
            "one photograph" if theirs.kind == "real" else "one grid",
            theirs.before_kb,
            theirs.after_kb,
            theirs.smaller_by_percent,
            ours.source,
            ours.images,
            ours.original_bytes / 1024,
            ours.compressed_bytes / 1024,
            ours.compression_percent,
            ours.quality["psnr_rgb_db"],
            ours.quality["ssim"],
        ]
        for theirs in COMPRESSION
        for ours in means
        if (ours.codec, ours.setting) == (theirs.codec, theirs.setting)
        and by_name[ours.source].kind == theirs.kind
    ]
    columns = [
        Column("setting", "setting"),
        Column("study_image", "image", group="study"),
        Column("study_before_kb", "KB before", ".2f", "study"),
        Column("study_after_kb", "KB after", ".2f", "study"),
        Column("study_smaller_by_percent", "smaller by", ".2f", "study", " %"),
        Column("source", "images", group="ours"),
        Column("images", "n", "d", "ours"),
        Column("before_kb", "KB before", ".2f", "ours"),
        Column("after_kb", "KB after", ".2f", "ours"),
        Column("smaller_by_percent", "smaller by", ".2f", "ours", " %"),
        Column("psnr_rgb_db", "PSNR dB", ".2f", "ours"),
        Column("ssim", "SSIM", ".4f", "ours"),
    ]
    return Table("study", "Compression, the study's table beside ours.", columns, rows) if rows else None


def overview(sources: Sequence[Source], means: Sequence[Means]) -> Table | None:
    """Returns how much smaller each of the study's settings made images, the study's own first."""
    settings = dict.fromkeys((row.codec, row.setting) for row in COMPRESSION)
    found = {(one.source, one.codec, one.setting): one.compression_percent for one in means}
    shown = [key for key in settings if any((source.name, *key) in found for source in sources)]
    if not shown:
        return None
    columns = [
        Column("source", "images"),
        Column("images", "n", "d"),
        *(Column(f"{codec} {setting}", f"{codec} {setting}", ".1f", unit=" %") for codec, setting in shown),
    ]
    theirs = {(row.kind, row.codec, row.setting): row.smaller_by_percent for row in COMPRESSION}
    rows: list[list[Value]] = [
        ["**the study's photograph** (640×480)", 1, *(theirs.get(("real", *key)) for key in shown)],
        [
            "**the study's grid of generated images** (664×331)",
            1,
            *(theirs.get(("generated", *key)) for key in shown),
        ],
        *([one.title, one.images, *(found.get((one.name, *key)) for key in shown)] for one in sources),
    ]
    caption = "How much smaller files became. A negative number means that they grew."
    return Table("study_overview", caption, columns, rows)


def training_table() -> Table:
    """Returns the study's table of training runs."""
    columns = [
        Column("data", "data"),
        Column("images", "images", "d"),
        Column("batch", "batch", "d"),
        Column("dcgan_minutes", "DCGAN", "d", "time", " min"),
        Column("cgan_minutes", "CGAN", "d", "time", " min"),
    ]
    return Table("study_training", "Training, the study's table.", columns, TRAINING)

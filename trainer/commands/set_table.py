"""What a prepared set holds, for people."""

from __future__ import annotations

import csv

from rich.console import Console
from rich.table import Table

from trainer.data.sets import PreparedSet

MAX_LABELS = 24
"""Labels listed; the rest are summed up."""


def print_set(prepared: PreparedSet, console: Console) -> None:
    """Writes the number of images by label and split, and of files left out by reason with an example."""
    info = prepared.info
    console.print(_images_table(prepared))
    if info.left_out:
        console.print(_left_out_table(prepared))
    kept = sum(split.images for split in info.splits.values())
    kind = "grey" if info.channels == 1 else "colour"
    size_mb = sum(file.stat().st_size for file in prepared.folder.iterdir()) / 1e6
    console.print(
        f"{info.name}: {kept} of {info.files} files are images of {info.size_px} px, {kind}, "
        f"in {prepared.folder} ({size_mb:.1f} MB)",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


def _images_table(prepared: PreparedSet) -> Table:
    info = prepared.info
    table = Table("label")
    for split in info.splits:
        table.add_column(split, justify="right")
    splits = info.splits.values()
    total = {label: sum(split.images_per_label[label] for split in splits) for label in info.labels}
    labels = info.labels
    if len(labels) > MAX_LABELS:
        labels = sorted(labels, key=lambda label: -total[label])[:MAX_LABELS]
    for label in labels:
        table.add_row(label, *(str(split.images_per_label[label]) for split in splits))
    if more := set(info.labels) - set(labels):
        sums = (sum(split.images_per_label[label] for label in more) for split in splits)
        table.add_row(f"{len(more)} more labels", *map(str, sums))
    if any(split.unlabelled for split in splits):
        table.add_row("(unlabelled)", *(str(split.unlabelled) for split in splits))
    table.add_section()
    table.add_row("all", *(str(split.images) for split in splits))
    return table


def _left_out_table(prepared: PreparedSet) -> Table:
    examples: dict[str, str] = {}
    with (prepared.folder / "left_out.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            examples.setdefault(row["reason"], f"{row['file']} {row['detail']}".strip())
    table = Table("left out", "files", "such as")
    table.columns[1].justify = "right"
    for reason, count in prepared.info.left_out.items():
        table.add_row(reason, str(count), examples[reason])
    return table

"""The files of rows, and their means."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import astuple
from pathlib import Path

import pyarrow.parquet
import pytest

from client.experiment.results import Row, describe_columns, to_csv, to_parquet
from client.experiment.summary import summarize

DONE = Row(
    source="generated",
    model="cars",
    model_digest="ab" * 32,
    label="suv",
    seed=2**64 - 1,
    file="cars-suv-1.png",
    codec="png",
    technique="pillow",
    setting="lossless",
    width_px=64,
    height_px=64,
    input_bytes=1000,
    raw_bytes=12288,
    output_bytes=250,
    reduction_percent=75.0,
    ratio=4.0,
    bits_per_pixel=0.5,
    psnr_db=math.inf,
    ssim=1.0,
    encode_ms=1.5,
    decode_ms=0.25,
    output_sha256="cd" * 32,
)
FAILED = Row(
    source="real", file='a "b",\n.jpg', codec="png", technique="pillow", setting="lossless", error="é, no"
)


def lossy(source: str, **changed: float | None) -> Row:
    """Returns a row of JPEG."""
    measured: dict[str, float | None] = {
        "input_bytes": 100,
        "output_bytes": 50,
        "bits_per_pixel": 1.0,
        "psnr_db": 30.0,
        "ssim": 0.9,
    }
    names = {"codec": "jpeg", "technique": "pillow", "setting": "quality=50"}
    return Row(source=source, file="x", **names, **(measured | changed))


def test_both_files_hold_the_same() -> None:
    """CSV and Parquet have the columns in the same order and the same values; nothing is empty text."""
    rows = [DONE, FAILED]
    table = pyarrow.parquet.read_table(io.BytesIO(to_parquet(rows, {})))
    assert table.column_names == list(describe_columns())
    assert table.to_pylist() == [vars(row) for row in rows]
    header, *lines = csv.reader(io.StringIO(to_csv(rows).decode(), newline=""))
    assert header == table.column_names
    for line, row in zip(lines, rows, strict=True):
        assert line == ["" if value is None else str(value) for value in astuple(row)]


def test_parquet_says_what_it_is() -> None:
    """Types fit the numbers, columns are described, and the file knows version and arguments."""
    schema = pyarrow.parquet.read_schema(io.BytesIO(to_parquet([DONE], {"count": 1, "label": ["suv"]})))
    assert str(schema.field("seed").type) == "uint64"
    assert str(schema.field("psnr_db").type) == "double"
    for column, description in describe_columns().items():
        assert schema.field(column).metadata[b"description"].decode() == description
    assert schema.metadata[b"ganpress:version"]
    assert json.loads(schema.metadata[b"ganpress:arguments"]) == {"count": 1, "label": ["suv"]}


def test_every_column_is_documented() -> None:
    """docs/experiments.md has each column with the words of the code."""
    page = Path(__file__).resolve().parents[4] / "docs" / "experiments.md"
    text = page.read_text(encoding="utf-8")
    for column, description in describe_columns().items():
        assert f"| `{column}` | {description} |" in text


def test_means_are_taken_by_source_and_setting() -> None:
    """Each setting is one line with both sources beside each other, in the rows' order."""
    rows = [DONE, lossy("generated"), lossy("real", output_bytes=20), lossy("real", output_bytes=40)]
    png, jpeg = summarize(rows)
    assert (png.codec, png.real) == ("png", None)
    assert png.generated
    assert png.generated.psnr_db == math.inf
    assert png.generated.reduction_percent == 75
    assert (jpeg.codec, jpeg.setting) == ("jpeg", "quality=50")
    assert jpeg.generated
    assert jpeg.generated.reduction_percent == 50
    assert jpeg.real
    assert (jpeg.real.images, jpeg.real.output_bytes) == (2, 30)
    assert jpeg.real.reduction_percent == pytest.approx(70)


def test_failed_and_unmeasured_images_stay_out_of_the_means() -> None:
    """A failure, an infinite PSNR and a missing SSIM do not spoil the means of the others."""
    rows = [lossy("real", psnr_db=math.inf), lossy("real", psnr_db=40.0, ssim=None), lossy("real")]
    failed = Row(source="real", file="y", codec="jpeg", technique="pillow", setting="quality=50", error="no")
    (line,) = summarize([failed, *rows])
    assert line.real
    assert (line.real.images, line.real.psnr_db, line.real.ssim) == (3, 35, 0.9)
    (line,) = summarize([failed])
    assert (line.generated, line.real) == (None, None)

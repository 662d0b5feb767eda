"""The rows of an experiment, one for each image and setting, and their files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from importlib import import_module
from typing import Any

from services.common.version import GANPRESS_VERSION


def _column(kind: str, description: str) -> Any:
    """Declares a column; `kind` is Arrow's name of its type."""
    return field(default=None, metadata={"kind": kind, "description": description})


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one setting did to one image; what was not measured is None."""

    source: str = _column("string", "generated or real")
    model: str | None = _column("string", "model that drew the image; empty for a real one")
    model_digest: str | None = _column("string", "SHA-256 of that model")
    label: str | None = _column("string", "label it was drawn with, or that its .json file names")
    seed: int | None = _column("uint64", "seed it was drawn from")
    file: str = _column("string", "path or member name; of a generated image `<model>-<label>-<seed>.png`")
    codec: str = _column("string", "codec name")
    technique: str = _column("string", "dct, kmeans or pillow")
    setting: str = _column("string", "options that were set, such as quality=75; else lossless or default")
    width_px: int | None = _column("uint32", "width")
    height_px: int | None = _column("uint32", "height")
    input_bytes: int | None = _column("uint64", "size of the image file that went in")
    raw_bytes: int | None = _column("uint64", "size of its pixels: width x height x channels")
    output_bytes: int | None = _column("uint64", "size of the compressed file")
    reduction_percent: float | None = _column(
        "float64", "100 (1 - output_bytes / input_bytes), the study's smaller by; negative when larger"
    )
    ratio: float | None = _column("float64", "input_bytes / output_bytes")
    bits_per_pixel: float | None = _column("float64", "8 output_bytes / (width_px height_px)")
    psnr_db: float | None = _column("float64", "peak signal-to-noise ratio in dB; inf when nothing was lost")
    ssim: float | None = _column("float64", "structural similarity; empty when a side is under 7 px")
    encode_ms: float | None = _column("float64", "time to compress, with other images under way")
    decode_ms: float | None = _column("float64", "time to decompress, likewise")
    output_sha256: str | None = _column("string", "SHA-256 of the compressed file")
    error: str | None = _column("string", "why there is no result")


TIMINGS = ("encode_ms", "decode_ms")
"""The columns that differ from run to run."""


def describe_columns() -> dict[str, str]:
    """Returns what each column holds, by its name."""
    return {column.name: column.metadata["description"] for column in fields(Row)}


def to_csv(rows: Sequence[Row]) -> bytes:
    """Returns the rows as CSV with a header line; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(describe_columns())
    writer.writerows(map(astuple, rows))
    return text.getvalue().encode()


def to_parquet(rows: Sequence[Row], arguments: Mapping[str, Any]) -> bytes:
    """Returns the rows as Parquet with typed and described columns.

    The file's metadata hold the version of GanPress as `ganpress:version` and the experiment's
    arguments as JSON as `ganpress:arguments`.
    """
    # By name, for PyArrow has no types; here, for its import takes a while.
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    schema = arrow.schema(
        [
            arrow.field(
                column.name,
                arrow.type_for_alias(column.metadata["kind"]),
                metadata={"description": column.metadata["description"]},
            )
            for column in fields(Row)
        ],
        metadata={"ganpress:version": GANPRESS_VERSION, "ganpress:arguments": json.dumps(arguments)},
    )
    columns = [[getattr(row, name) for row in rows] for name in describe_columns()]
    file = io.BytesIO()
    parquet.write_table(arrow.table(columns, schema=schema), file)
    return file.getvalue()

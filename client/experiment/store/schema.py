"""The columns of an experiment's results, one row for each cell: one image under one setting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any, cast

SCHEMA_VERSION = 1
"""Goes up when a column changes its meaning or goes away; new ones may come at any time."""

VOLATILE = ("encode_ms", "decode_ms")
"""The columns that differ from run to run on the same machine; all others are the same bytes."""


def _column(kind: str, description: str) -> Any:
    """Declares a column; `kind` is Arrow's name of its type."""
    return field(default=None, metadata={"kind": kind, "description": description})


@dataclass(frozen=True, kw_only=True)
class Row:
    """What came of one cell; what does not apply or was not measured is None."""

    plan_digest: str = _column("string", "SHA-256 of the plan, lower-case hexadecimal")
    cell_id: str = _column("string", "names the cell within its plan: 16 hexadecimal digits, the same always")
    cell_index: int = _column("uint64", "place in the plan's order, from 0; the rows are sorted by it")

    source: str = _column("string", "the source's name in the plan")
    source_kind: str = _column("string", "real or generated")
    data_set: str | None = _column("string", "data set that the plan says it belongs to, such as cars")
    split: str | None = _column("string", "part of the data set, such as train or test")
    image: str = _column("string", "path or member name; of a generated image `<model>-<label>-<seed>.png`")
    label: str | None = _column("string", "label it was drawn with, or of a real image its folder's name")
    model: str | None = _column("string", "model that drew it; null for a real image, as the next five")
    model_version: int | None = _column("uint32", "version of that model")
    model_digest: str | None = _column("string", "SHA-256 of that model's ONNX file")
    model_architecture: str | None = _column("string", "architecture on its card, such as dcgan or cgan")
    seed: int | None = _column("uint64", "seed it was drawn from")
    truncation: float | None = _column("float64", "truncation it was drawn with")
    perturbation: str = _column("string", "what was done to the image before, such as rotate=90; none")

    codec: str = _column("string", "codec name")
    technique: str | None = _column("string", "dct, kmeans or pillow")
    setting: str = _column(
        "string",
        "options that the plan sets, such as quality=75; lossless or default without; "
        "of a search for equal size `size of dct threshold=0.01`, then what else is set",
    )
    options: str = _column("string", "options that were used, as a JSON object; with what a search found")
    target_bytes: int | None = _column("uint64", "size that a search was to be within; null without a search")

    width_px: int | None = _column("uint32", "width")
    height_px: int | None = _column("uint32", "height")
    channels: int | None = _column("uint8", "samples a pixel")
    original_bytes: int | None = _column("uint64", "size of the image file that went in")
    raw_bytes: int | None = _column("uint64", "size of its pixels: width x height x channels")
    compressed_bytes: int | None = _column("uint64", "size of the compressed file")
    compression_percent: float | None = _column(
        "float64", "100 (1 - compressed_bytes / original_bytes), the study's smaller by; negative when larger"
    )
    bits_per_pixel: float | None = _column("float64", "8 compressed_bytes / (width_px height_px)")
    psnr_rgb_db: float | None = _column("float64", "PSNR over all samples in dB; inf when nothing was lost")
    psnr_y_db: float | None = _column("float64", "PSNR of luma in dB; inf when none of it was lost")
    ssim: float | None = _column("float64", "structural similarity; null when a side is under 7 px")
    ms_ssim: float | None = _column("float64", "SSIM at five scales; null when a side is under 161 px")
    ssimulacra2: float | None = _column(
        "float64", "SSIMULACRA2 score, 100 is the same; null when a side is under 128 px"
    )
    encode_ms: float | None = _column(
        "float64", "time to compress, as the service measured it; of a search all of it"
    )
    decode_ms: float | None = _column("float64", "time to decompress, as the service measured it")

    input_sha256: str | None = _column("string", "SHA-256 of the image file that went in")
    output_sha256: str | None = _column("string", "SHA-256 of the compressed file")
    input_file: str | None = _column("string", "the image file in the results' folder, where it was kept")
    output_file: str | None = _column("string", "the compressed file there, where it was kept")
    error: str | None = _column("string", "why there is no result; null when there is one")

    ganpress_version: str = _column("string", "version of GanPress that ran the plan")
    compressor_version: str | None = _column("string", "version of GanPress at the compressor")
    generator_version: str | None = _column("string", "version of GanPress at the generator, if there is one")
    libraries: str = _column("string", "versions of Python and of libraries beside the client, a JSON object")
    cpu: str = _column("string", "CPU of the client: its name and widest vector instructions")


@dataclass(frozen=True, kw_only=True)
class SetRow:
    """One figure of a set of generated images, as the trainer measured it."""

    plan_digest: str = _column("string", "SHA-256 of the plan")
    source: str = _column("string", "the source's name in the plan")
    model: str = _column("string", "model that draws it")
    model_version: int = _column("uint32", "version of that model")
    model_digest: str = _column("string", "SHA-256 of that model's ONNX file")
    metric: str = _column("string", "name, ending in the features it was measured on, such as kid_lite0")
    value: float = _column("float64", "mean over the draws")
    spread: float | None = _column("float64", "standard deviation over the draws; null where not said")
    real: float | None = _column("float64", "what real images score; null where not said")
    method: str = _column("string", "how it was measured, with numbers of images and seeds")
    origin: str = _column("string", "`model card`, or the file of `ganpress-trainer evaluate`")


def describe_columns(kind: type[Row | SetRow] = Row) -> dict[str, str]:
    """Returns what each column holds, by its name, in their order."""
    return {column.name: column.metadata["description"] for column in fields(kind)}


def arrow_schema(kind: type[Row | SetRow] = Row, metadata: Mapping[str, str] | None = None) -> Any:
    """Returns the Arrow schema (`pyarrow.Schema`); each field's metadata hold its `description`."""
    arrow = cast("Any", import_module("pyarrow"))  # by name: it has no types, and its import takes a while
    return arrow.schema(
        [
            arrow.field(
                column.name,
                arrow.type_for_alias(column.metadata["kind"]),
                metadata={"description": column.metadata["description"]},
            )
            for column in fields(kind)
        ],
        metadata={"ganpress:schema": str(SCHEMA_VERSION), **(metadata or {})},
    )


def to_table(rows: Iterable[Row | SetRow], kind: type[Row | SetRow] = Row) -> Any:
    """Returns the rows, all of one kind, as a `pyarrow.Table` with the schema of that kind."""
    arrow = cast("Any", import_module("pyarrow"))
    held = list(rows)
    columns = [[getattr(row, name) for row in held] for name in describe_columns(kind)]
    return arrow.table(columns, schema=arrow_schema(kind))

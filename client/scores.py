"""How alike two images are, in words and for machines, and the means of many."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ganpress.v1.compressor_service_pb2 import EvaluateResponse

from client.records import finite, input_record, size_text

METRICS = {
    "psnr_db": ("PSNR", ".2f", " dB"),
    "psnr_y_db": ("PSNR-Y", ".2f", " dB"),
    "ssim": ("SSIM", ".4f", ""),
    "ms_ssim": ("MS-SSIM", ".4f", ""),
    "ssimulacra2": ("SSIMULACRA2", ".1f", ""),
}
"""Fields of an answer that measure, with name, format and unit for a reader."""


def values(answer: EvaluateResponse) -> dict[str, float | None]:
    """Returns the metrics by name, None for those that the image is too small for."""
    optional = ("ssim", "ms_ssim", "ssimulacra2")
    return {
        name: None if name in optional and not answer.HasField(name) else getattr(answer, name)
        for name in METRICS
    }


def describe(answer: EvaluateResponse, original_bytes: int, result_bytes: int) -> str:
    """Returns a pair's line: size, bytes, quality."""
    parts = [
        f"{answer.size.width_px}x{answer.size.height_px}",
        f"{answer.codec} of {size_text(result_bytes)} ({answer.bits_per_pixel:.3f} bits a pixel)",
        f"original {size_text(original_bytes)}",
        *(words(name, value) for name, value in values(answer).items() if value is not None),
    ]
    return ", ".join(parts)


def record(answer: EvaluateResponse, original_bytes: int, result_bytes: int) -> dict[str, Any]:
    """Returns a pair's JSON; an infinite PSNR is null, as is what the image is too small for."""
    return {
        "codec": answer.codec,
        "width_px": answer.size.width_px,
        "height_px": answer.size.height_px,
        "original_bytes": original_bytes,
        "result_bytes": result_bytes,
        "bits_per_pixel": answer.bits_per_pixel,
        "is_identical": math.isinf(answer.psnr_db),
        **{name: None if value is None else finite(value) for name, value in values(answer).items()},
        "original_input": input_record(answer.original_input),
        "result_input": input_record(answer.decoded_input),
    }


def means(answers: Iterable[EvaluateResponse]) -> dict[str, float]:
    """Returns the mean of each metric over the images that have it and differ."""
    columns: dict[str, list[float]] = {name: [] for name in METRICS}
    for answer in answers:
        for name, value in values(answer).items():
            if value is not None and math.isfinite(value):
                columns[name].append(value)
    return {name: sum(column) / len(column) for name, column in columns.items() if column}


def words(name: str, value: float) -> str:
    """Returns a metric for a reader, such as "PSNR 34.12 dB"."""
    label, form, unit = METRICS[name]
    return f"{label} {value:{form}}{unit}" if math.isfinite(value) else f"{label} infinite (lossless)"

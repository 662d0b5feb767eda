"""What is told of one compression: a line for people, a record for sidecars and machines."""

from __future__ import annotations

import math
from typing import Any

from ganpress.v1.compressor_service_pb2 import CompressResponse
from ganpress.v1.goal_pb2 import GoalReport, QualityMetric
from ganpress.v1.input_pb2 import InputChangeKind, InputReport

from client.codec_options import OptionValue

_CHANGE, _METRIC = "INPUT_CHANGE_KIND_", "QUALITY_METRIC_"


def describe(response: CompressResponse, options: dict[str, OptionValue]) -> str:
    """Returns one image's outcome in the study's terms: size before and after, change in per cent, PSNR.

    What was left out of the image on the way is told as well.
    """
    stats = response.stats
    parts = [
        f"{stats.size.width_px}x{stats.size.height_px}",
        size_change(stats.input_bytes, stats.output_bytes),
    ]
    if stats.HasField("psnr_db"):
        parts.append(f"PSNR {decibels(stats.psnr_db)}")
    if stats.HasField("ssim"):
        parts.append(f"SSIM {stats.ssim:.4f}")
    if stats.HasField("ssimulacra2"):
        parts.append(f"SSIMULACRA2 {stats.ssimulacra2:.1f}")
    words = [response.codec, *(f"{name}={value}" for name, value in options.items())]
    if response.HasField("goal"):
        if response.goal.setting:
            words.append(f"{response.goal.setting}={response.goal.setting_value}")
        words.append(f"in {response.goal.encodes} encodes")
    parts.append(" ".join(words))
    return ", ".join(parts) + "".join(f"; {change.text}" for change in response.input.changes)


def compression_record(response: CompressResponse, options: dict[str, OptionValue]) -> dict[str, Any]:
    """Returns what a sidecar says of a compression: nothing that differs from run to run.

    `psnr_db` is null when nothing was lost, since JSON has no infinity.
    """
    stats = response.stats
    record: dict[str, Any] = {
        "codec": response.codec,
        "options": options,
        "file_extension": response.file_extension,
        "width_px": stats.size.width_px,
        "height_px": stats.size.height_px,
        "channels": stats.size.channels,
        "input_bytes": stats.input_bytes,
        "raw_bytes": stats.raw_bytes,
        "output_bytes": stats.output_bytes,
        "ratio": stats.ratio,
        "bits_per_pixel": stats.bits_per_pixel,
    }
    if stats.frames > 1:
        record["frames"] = stats.frames
    if stats.HasField("psnr_db"):
        record["psnr_db"] = finite(stats.psnr_db)
    if stats.HasField("ssim"):
        record["ssim"] = stats.ssim
    if stats.HasField("ssimulacra2"):
        record["ssimulacra2"] = stats.ssimulacra2
    if response.HasField("goal"):
        record["goal"] = _goal_record(response.goal)
    if response.HasField("input"):
        record["input"] = input_record(response.input)
    return record


def input_record(report: InputReport) -> dict[str, Any]:
    """Returns what a file was, and what was changed or left out on reading it."""
    return {
        "format": report.format,
        "samples": report.samples,
        "frames": report.frames,
        "changes": [
            {"kind": change_word(change.kind), "text": change.text, "is_loss": change.is_loss}
            for change in report.changes
        ],
    }


def change_word(kind: InputChangeKind.ValueType) -> str:
    """Returns a kind of change as records have it: "metadata_dropped"."""
    return InputChangeKind.Name(kind).removeprefix(_CHANGE).lower()


def size_change(before_bytes: int, after_bytes: int) -> str:
    """Returns words like "155.97 KB -> 60.60 KB (-61.15 %)"; 1 KB is 1024 bytes, as in the study."""
    change_percent = 100 * (after_bytes - before_bytes) / before_bytes
    return f"{size_text(before_bytes)} -> {size_text(after_bytes)} ({change_percent:+.2f} %)"


def size_text(size_bytes: int) -> str:
    """Returns a size for a reader: "713 B", "60.60 KB", "1.50 MB"."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    return f"{size_bytes / 1024:.2f} KB" if size_bytes < 2**20 else f"{size_bytes / 2**20:.2f} MB"


def decibels(psnr_db: float) -> str:
    """Returns a PSNR for a reader."""
    return f"{psnr_db:.2f} dB" if math.isfinite(psnr_db) else "infinite (lossless)"


def finite(value: float) -> float | None:
    """Returns a number as JSON can hold it: None for an infinite one."""
    return value if math.isfinite(value) else None


def _goal_record(goal: GoalReport) -> dict[str, Any]:
    record: dict[str, Any] = {"reached": finite(goal.reached), "encodes": goal.encodes}
    if goal.setting:
        record |= {"setting": goal.setting, "setting_value": goal.setting_value}
    if goal.candidates:
        record["judged_by"] = QualityMetric.Name(goal.judged_by).removeprefix(_METRIC).lower()
        record["candidates"] = [
            {"codec": candidate.codec, "error": candidate.error}
            if candidate.error
            else {
                "codec": candidate.codec,
                "setting": candidate.setting,
                "setting_value": candidate.setting_value,
                "output_bytes": candidate.output_bytes,
                "reached": finite(candidate.reached),
                "judged": finite(candidate.judged) if candidate.HasField("judged") else None,
            }
            for candidate in goal.candidates
        ]
    return record

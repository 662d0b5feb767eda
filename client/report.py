"""What compressing and decompressing tell the user: a line an image, failures, totals."""

from __future__ import annotations

import json
import math
from typing import Any

import click
from ganpress.v1.compressor_service_pb2 import CompressionStats, CompressResponse

from client.codec_options import OptionValue
from client.errors import InputError, PartialError
from client.options import Wording
from client.samples import Sample, Source
from client.terminal import note


class Report:
    """Counts images and failures of one command; human lines go to stderr."""

    def __init__(self, source: Source, verb: str, wording: Wording, *, images_on_stdout: bool) -> None:
        """Takes what is read, the word for what is done ("compressed"), and what the user wants to hear."""
        self._source = source
        self._verb = verb
        self._is_json = wording.json
        self._json_to_stderr = images_on_stdout
        self._says_each = not (wording.quiet or wording.json) and (wording.verbose or not source.is_stream)
        self._says_totals = not (wording.quiet or wording.json) and source.is_stream
        self._done = self._failed = self._left_out = 0
        self._input_bytes = self._output_bytes = 0
        self._psnrs_db: list[float] = []

    def fail(self, name: str, reason: object) -> None:
        """Counts a failure and names it.

        Raises:
            InputError: The input was this one image, so there is nothing to go on with.
        """
        self._failed += 1
        if not self._source.is_stream:
            raise InputError(f"{name}: {reason}")
        note(f"error: {name}: {reason}")
        self._write_json({"name": name, "error": str(reason)})

    def done(self, sample: Sample, line: str, machine: dict[str, Any]) -> None:
        """Counts an image and writes its line."""
        self._done += 1
        self._write_json({"name": sample.name, **machine})
        if self._says_each:
            note(f"{sample.name}: {line}")

    def left_out(self, sample: Sample) -> None:
        """Counts an image that an earlier run has done."""
        self._left_out += 1
        self._write_json({"name": sample.name, "done_before": True})
        if self._says_each:
            note(f"{sample.name}: done before")

    def measured(self, stats: CompressionStats) -> None:
        """Adds an image's sizes and quality to the totals."""
        self._input_bytes += stats.input_bytes
        self._output_bytes += stats.output_bytes
        if stats.HasField("psnr_db"):
            self._psnrs_db.append(stats.psnr_db)

    def check_any(self) -> None:
        """Checks that there is something to write.

        Raises:
            InputError: No image came, or all failed.
        """
        if self._done or self._left_out:
            return
        if self._failed:
            self._write_summary()
            raise PartialError(f"all {self._failed} images failed")
        raise InputError(f"there are no images in the input ({_files(self._source.skipped)} of other kinds)")

    def break_off(self) -> None:
        """Writes the totals of what was done before an error that ends the command."""
        if self._done or self._failed or self._left_out:
            self._write_totals()

    def finish(self) -> None:
        """Writes the totals.

        Raises:
            PartialError: Some images failed.
        """
        self._write_totals()
        if self._failed:
            count = self._failed + self._done + self._left_out
            raise PartialError(f"{self._failed} of {count} images failed, as named above")

    def _write_totals(self) -> None:
        if self._says_totals:
            note(self._totals())
        self._write_summary()

    def _write_summary(self) -> None:
        """Writes the last JSON line, of many images only."""
        if not self._source.is_stream:
            return
        summary: dict[str, Any] = {
            "done": self._done,
            "failed": self._failed,
            "done_before": self._left_out,
            "skipped_files": self._source.skipped,
        }
        if self._input_bytes:
            change = 100 * (self._output_bytes - self._input_bytes) / self._input_bytes
            summary |= {"input_bytes": self._input_bytes, "output_bytes": self._output_bytes}
            summary["change_percent"] = round(change, 2)
        self._write_json({"summary": summary})

    def _totals(self) -> str:
        parts = [f"{self._done} images {self._verb}"]
        if self._input_bytes:
            parts.append(size_change(self._input_bytes, self._output_bytes))
        if self._psnrs_db:
            parts.append(f"mean PSNR {_decibels(sum(self._psnrs_db) / len(self._psnrs_db))}")
        if self._left_out:
            parts.append(f"{self._left_out} done before")
        if self._source.skipped:
            parts.append(f"{_files(self._source.skipped)} of other kinds left out")
        return ", ".join(parts)

    def _write_json(self, entry: dict[str, Any]) -> None:
        if self._is_json:
            click.echo(json.dumps(entry), err=self._json_to_stderr)


def describe(response: CompressResponse, options: dict[str, OptionValue]) -> str:
    """Returns one image's outcome in the study's terms: size before and after, change in per cent, PSNR."""
    stats = response.stats
    parts = [
        f"{stats.size.width_px}x{stats.size.height_px}",
        size_change(stats.input_bytes, stats.output_bytes),
    ]
    if stats.HasField("psnr_db"):
        parts.append(f"PSNR {_decibels(stats.psnr_db)}")
    if stats.HasField("ssim"):
        parts.append(f"SSIM {stats.ssim:.4f}")
    parts.append(" ".join([response.codec, *(f"{name}={value}" for name, value in options.items())]))
    return ", ".join(parts)


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
    if stats.HasField("psnr_db"):
        record["psnr_db"] = stats.psnr_db if math.isfinite(stats.psnr_db) else None
    if stats.HasField("ssim"):
        record["ssim"] = stats.ssim
    return record


def size_change(before_bytes: int, after_bytes: int) -> str:
    """Returns words like "155.97 KB -> 60.60 KB (-61.15 %)"; 1 KB is 1024 bytes, as in the study."""
    change_percent = 100 * (after_bytes - before_bytes) / before_bytes
    return f"{size_text(before_bytes)} -> {size_text(after_bytes)} ({change_percent:+.2f} %)"


def size_text(size_bytes: int) -> str:
    """Returns a size for a reader: "713 B", "60.60 KB", "1.50 MB"."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    return f"{size_bytes / 1024:.2f} KB" if size_bytes < 2**20 else f"{size_bytes / 2**20:.2f} MB"


def _decibels(psnr_db: float) -> str:
    return f"{psnr_db:.2f} dB" if math.isfinite(psnr_db) else "infinite (lossless)"


def _files(count: int) -> str:
    return f"{count} file" + "s" * (count != 1)

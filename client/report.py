"""What compressing and decompressing tell the user: a line an image, failures, totals."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import click
from ganpress.v1.compressor_service_pb2 import CompressResponse

from client.errors import InputError, PartialError
from client.options import Wording
from client.records import change_word, decibels, size_change
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
        self._losses: Counter[str] = Counter()

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

    def measured(self, response: CompressResponse) -> None:
        """Adds an image's sizes, quality and losses on reading to the totals."""
        stats = response.stats
        self._losses.update({change_word(change.kind) for change in response.input.changes if change.is_loss})
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
        if self._losses:
            summary["losses"] = dict(self._losses)
        self._write_json({"summary": summary})

    def _totals(self) -> str:
        parts = [f"{self._done} images {self._verb}"]
        if self._input_bytes:
            parts.append(size_change(self._input_bytes, self._output_bytes))
        if self._psnrs_db:
            parts.append(f"mean PSNR {decibels(sum(self._psnrs_db) / len(self._psnrs_db))}")
        parts += [f"{kind.replace('_', ' ')} in {count}" for kind, count in sorted(self._losses.items())]
        if self._left_out:
            parts.append(f"{self._left_out} done before")
        if self._source.skipped:
            parts.append(f"{_files(self._source.skipped)} of other kinds left out")
        return ", ".join(parts)

    def _write_json(self, entry: dict[str, Any]) -> None:
        if self._is_json:
            click.echo(json.dumps(entry), err=self._json_to_stderr)


def _files(count: int) -> str:
    return f"{count} file" + "s" * (count != 1)

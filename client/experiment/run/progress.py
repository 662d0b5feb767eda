"""How far a run is, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from client.terminal import note

_LINE_EVERY_S = 30.0


class RunProgress:
    """Counts cells: a bar on a terminal, else a line now and then."""

    def __init__(self, total: int, done: int, *, quiet: bool) -> None:
        """Takes the number of all cells and of those that were done before."""
        self.total = total
        self.before = done
        self.done = done
        self.failed = 0
        self._megabytes = 0.0
        self._start_s = self._said_s = time.monotonic()
        self._quiet = quiet
        self._bar: Progress | None = None
        if sys.stderr.isatty() and not quiet:
            columns = (
                "{task.description}",
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[pace]}"),
            )
            console = Console(stderr=True)
            self._bar = Progress(SpinnerColumn(), *columns, TimeRemainingColumn(), console=console)
            self._bar.add_task("cells", total=total, completed=done, pace="")
            self._bar.start()

    def advance(self, size_bytes: int, *, failed: bool) -> None:
        """Counts a cell that is durable, with the size of the image that went in."""
        self.done += 1
        self.failed += failed
        self._megabytes += size_bytes / 1e6
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=self.done, pace=self._pace())
        elif not self._quiet and time.monotonic() - self._said_s > _LINE_EVERY_S:
            self._said_s = time.monotonic()
            note(f"{self.done} of {self.total} cells, {self._pace()}, {self._left()}")

    def close(self) -> None:
        """Ends the bar."""
        if self._bar:
            self._bar.stop()

    @property
    def images_per_s(self) -> float:
        """Returns the pace since the start."""
        return (self.done - self.before) / max(time.monotonic() - self._start_s, 1e-3)

    def _pace(self) -> str:
        seconds = max(time.monotonic() - self._start_s, 1e-3)
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.images_per_s:.1f} images/s, {self._megabytes / seconds:.2f} MB/s{failed}"

    def _left(self) -> str:
        seconds = (self.total - self.done) / max(self.images_per_s, 1e-3)
        return f"{seconds / 60:.0f} min left" if seconds > 90 else f"{seconds:.0f} s left"


@contextmanager
def run_progress(total: int, done: int, *, quiet: bool) -> Generator[RunProgress]:
    """Shows progress while the block runs."""
    shown = RunProgress(total, done, quiet=quiet)
    try:
        yield shown
    finally:
        shown.close()

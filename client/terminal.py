"""What the commands share towards the user: stdin, messages and the progress bar, all but the data."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from client.errors import InputError
from client.outputs import is_folder, output_path
from client.places import is_url
from client.samples import Source

if TYPE_CHECKING:
    from rich.progress import Progress

_PROGRESS_AFTER_S = 1.0


def open_source(names: Sequence[str], *, output: str | None = None) -> Source:
    """Opens what a command was given: files, folders, patterns, URLs, tars; nothing or "-" is stdin.

    Args:
        names: What the user named.
        output: What `-o` names: when it is a folder, what lies in it is no input.

    Raises:
        InputError: There is no such file, it is the output, or stdin is empty or a terminal.
    """
    if "-" in names and len(names) > 1:
        raise InputError("- is stdin and stands alone: name files, or pipe a tar in")
    if names and names[0] != "-":
        target = output_path(output)
        paths = [Path(name) for name in names if not is_url(name)]
        if target and target.is_file() and any(path.exists() and path.samefile(target) for path in paths):
            raise InputError(f"{target} is the input itself: choose another output, so that nothing is lost")
        return Source.of_paths(names, exclude=target if is_folder(output) else None)
    if sys.stdin.isatty():
        raise InputError("no input: name files, folders or tars, or pipe an image or a tar in")
    # Not sys.stdin: at exit it would wait for a thread that reads from it.
    return Source.of_stream(os.fdopen(os.dup(sys.stdin.fileno()), "rb"))


def note(text: str) -> None:
    """Writes a line to stderr."""
    click.echo(text, err=True)


class ProgressBar:
    """A progress bar on stderr, shown when stderr is a terminal and the work takes more than a second."""

    def __init__(self, title: str, total: int | None) -> None:
        self._title = title
        self._total = total
        self._done = 0
        self._start = time.monotonic()
        self._bar: Progress | None = None

    def advance(self) -> None:
        """Counts one image."""
        self._done += 1
        if not self._bar and sys.stderr.isatty() and time.monotonic() - self._start > _PROGRESS_AFTER_S:
            self._bar = self._show()
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=self._done)

    def close(self) -> None:
        """Removes the bar."""
        if self._bar:
            self._bar.stop()

    def _show(self) -> Progress:
        # Most commands end before a bar is due: they need not wait for the import.
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = Progress(*columns, console=Console(stderr=True), transient=True)
        bar.add_task(self._title, total=self._total)
        bar.start()
        return bar


@contextmanager
def progress(title: str, total: int | None) -> Generator[ProgressBar]:
    """Shows progress while the block runs; `total` is None when nobody knows it."""
    bar = ProgressBar(title, total)
    try:
        yield bar
    finally:
        bar.close()

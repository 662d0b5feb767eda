"""How a training run shows itself: a progress bar, or lines now and then where stderr is no terminal."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from trainer.loop import Progress as Numbers
from trainer.loop import Watcher

LINE_EVERY_S = 30.0


@contextmanager
def watching(share: float) -> Iterator[Watcher]:
    """Gives the watcher of a run that begins at a share of its budget, for the time that it is trained."""
    console = Console(stderr=True)
    with _bar(console, share) if console.is_terminal else _lines(console) as watcher:
        yield watcher


@contextmanager
def _bar(console: Console, share: float) -> Iterator[Watcher]:
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("step {task.fields[step]}{task.description}"))
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=1.0, completed=share, step="-")  # type: ignore[arg-type]

        def tick(step: int, share: float) -> None:
            bar.update(task, completed=share, step=step)

        def report(numbers: Numbers) -> None:
            of = f"/{numbers.total_steps}" if numbers.total_steps else ""
            bar.update(task, description=f"{of}  {_describe(numbers)}")

        yield Watcher(tick, report, lambda text: _warn(console, text))


@contextmanager
def _lines(console: Console) -> Iterator[Watcher]:
    last = -LINE_EVERY_S

    def report(numbers: Numbers) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY_S:
            last = time.monotonic()
            of = f"/{numbers.total_steps}" if numbers.total_steps else ""
            line = f"step {numbers.step}{of}  {numbers.share:.0%}  {_describe(numbers)}"
            console.print(line, soft_wrap=True, highlight=False, markup=False)

    yield Watcher(report=report, warn=lambda text: _warn(console, text))


def _describe(numbers: Numbers) -> str:
    return (
        f"epoch {numbers.epoch:.1f}  D {numbers.d_loss:.3f}  G {numbers.g_loss:.3f}  "
        f"{numbers.images_per_s:.0f} images/s  {dt.timedelta(seconds=round(numbers.seconds_left))} left"
    )


def _warn(console: Console, text: str) -> None:
    console.print(f"warning: {text}", soft_wrap=True, highlight=False, markup=False)

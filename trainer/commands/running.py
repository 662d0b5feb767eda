"""What `train` and `resume` have in common: the processes of a run, its signals and how it ends."""

from __future__ import annotations

import datetime as dt
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from trainer.cli import EXIT_ERROR, EXIT_INTERRUPTED
from trainer.commands.display import watching
from trainer.config import Config
from trainer.distributed import Group, joined, pick_device, require_compiler
from trainer.errors import TrainerError
from trainer.loop import Trainer, Watcher


@contextmanager
def processes(config: Config) -> Iterator[Group]:
    """Gives the processes that train together; of a mistake that all of them find, only the first speaks."""
    device = pick_device(config.device)
    with joined(device) as group:
        try:
            if config.compile:
                require_compiler(device)
            yield group
        except (TrainerError, OSError):
            if group.is_first:
                raise
            sys.exit(EXIT_ERROR)


def run_to_end(trainer: Trainer) -> None:
    """Trains until the end or a signal, and says how it went; after a signal the process ends here."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: trainer.stop())
    threading.excepthook = _tell_of_bugs
    run, first, began_at = trainer.run, trainer.group.is_first, trainer.step
    if first:
        with watching(trainer.share) as watcher:
            trainer.train(watcher)
    else:
        trainer.train(Watcher())
    if trainer.stopped:
        if first:
            click.echo(
                f"stopped at step {trainer.step}; continue with: ganpress-trainer resume {run}", err=True
            )
        sys.exit(EXIT_INTERRUPTED)
    if first and trainer.step == began_at:
        click.echo(
            f"{run} is at its end, step {trainer.step}; give it a later one with --epochs or --minutes"
        )
    elif first:
        took = dt.timedelta(seconds=round(trainer.duration_s))
        data, other = trainer.time_shares
        click.echo(
            f"trained to step {trainer.step} in {took} ({data:.1%} for data, {other:.1%} beside the steps); "
            f"samples in {run / 'samples'}, checkpoint in {run / 'checkpoint.pt'}"
        )


def _tell_of_bugs(failure: threading.ExceptHookArgs) -> None:
    """Keeps quiet of a full disk in TensorBoard's thread: the loop meets it too, and ends with a sentence."""
    if not issubclass(failure.exc_type, OSError):
        threading.__excepthook__(failure)

"""`ganpress-trainer study`: the 2022 study's eight training runs, its figures beside ours."""

from __future__ import annotations

import datetime as dt
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trainer.cli import EXIT_INTERRUPTED
from trainer.config import PRESETS

if TYPE_CHECKING:
    from trainer.data.sets import PreparedSet
    from trainer.loop import Trainer, Watcher
    from trainer.study.plan import RunPlan
    from trainer.study.running import Shown
    from trainer.study.tables import Table

WIDTH = 110
"""Tables are not squeezed below this."""
_COMMAS = "several with commas, or repeat the option"


# fmt: off
@click.command(short_help="Do the 2022 study's eight training runs, its figures beside ours.")
@click.option("--cars", help="Cars: a prepared set, or raw images as `prepare` takes them, with both splits.")
@click.option("--dogs", help="Dogs, likewise; all get the label dog unless the set is prepared.")
@click.option("--out", "folder", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="Folder of the study; one that is there is continued.")
@click.option("--preset", "presets", multiple=True, metavar="NAME",
              help=f"Models to compare: {', '.join(PRESETS)}; {_COMMAS}. [default: dcgan,wgan-gp, the "
              "study's DCGAN and CGAN]")
@click.option("--only", multiple=True, metavar="RUN",
              help=f"Runs to do, such as cars-train-dcgan or 'dogs-*'; {_COMMAS}. [default: all]")
@click.option("--epochs", type=float, help="Passes over the images. [default: 50]")
@click.option("--minutes", type=float, help="End each run after so many minutes, if epochs take longer.")
@click.option("--images", type=click.IntRange(min=2), help="Most images of each set. [default: the study's]")
@click.option("--image-size-px", type=int, help="Side of the images: 32, 64 or 128. [default: 64]")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True,
              help="Do each run so many times, with the seeds 0, 1, ...")
@click.option("--config", "file", type=click.Path(path_type=Path), help="TOML file of settings for all runs.")
@click.option("--threads", type=int, help="CPU threads. [default: 1]")
@click.option("--device", help="auto, cpu or cuda. [default: auto]")
@click.option("--features", multiple=True, default=("lite0",), show_default=True,
              help=f"What sees the images for the metrics: lite0, lite2, hog, or none; {_COMMAS}.")
@click.option("--metric-images", type=click.IntRange(1, 100_000), default=1000, show_default=True,
              help="Images drawn a seed for the metrics.")
@click.option("--metric-seeds", type=click.IntRange(1, 100), default=3, show_default=True,
              help="Number of draws; figures are their mean.")
@click.option("--dry-run", is_flag=True, help="Show the runs and how long they will take; train not.")
def study(
    cars: str | None, dogs: str | None, folder: Path, presets: tuple[str, ...], only: tuple[str, ...],
    seeds: int, images: int | None, file: Path | None, features: tuple[str, ...], metric_images: int,
    metric_seeds: int, dry_run: bool, **flags: Any,
) -> None:
    # fmt: on
    """Do the training runs of the 2022 study: cars and dogs, DCGAN and CGAN, trained on either split.

    Every run takes 50 epochs with the study's batch sizes; what else is equal, and where we differ, is in
    docs/training-study.md. A run that has ended is not done again and one that was stopped goes on; several
    processes may work on one study. `client experiment report FOLDER` makes a page of it.
    """
    from trainer.study import plan, record, running, sets, tables
    from trainer.study.outcome import Measuring

    measuring = Measuring(_extractors(features), metric_images, metric_seeds)
    _require_one_process()
    plans = plan.plan_runs(
        presets=_split(presets) or plan.PRESETS, seeds=seeds, images=images, only=_split(only), file=file,
        flags=flags,
    )  # fmt: skip
    locations = _locations(plans, {"cars": cars, "dogs": dogs})
    if dry_run:
        _estimate(plans, locations, folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with record.locked(folder / ".sets.lock"):
        whole = _open_data(plans, locations, folder)
        tasks = [running.Task(own, sets.open_run_set(whole[own.data], own, folder)) for own in plans]
    running.open_study(folder, tasks, _command())
    try:
        done = running.do_runs(folder, tasks, measuring, _shown())
    except running.StoppedError:
        click.echo("stopped; the same command goes on from here", err=True)
        sys.exit(EXIT_INTERRUPTED)
    _print(tables.times(done))
    _print(tables.quality(done))
    click.echo(f"{record.FILE}, study.md, study.csv and study.parquet are in {folder}", err=True)


def _split(values: Sequence[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _extractors(features: Sequence[str]) -> list[str]:
    """Returns the names of the extractors, each of which can be had; none for `none`."""
    from trainer.metrics.features import extractor

    names = [name for name in dict.fromkeys(_split(features)) if name != "none"]
    for name in names:
        extractor(name)  # raises before hours of training
    return names


def _require_one_process() -> None:
    from trainer.study.plan import StudyError

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise StudyError("study does its runs in one process: start it without torchrun")


def _locations(plans: Sequence[RunPlan], given: dict[str, str | None]) -> dict[str, str]:
    """Returns where the data lies that the runs need."""
    from trainer.study.plan import StudyError

    locations: dict[str, str] = {}
    for own in plans:
        location = given[own.data]
        if location is None:
            raise StudyError(
                f"{own.name} needs --{own.data} DATA; without it choose other runs, as by --only "
                f"'{'dogs' if own.data == 'cars' else 'cars'}-*'"
            )
        locations[own.data] = location
    return locations


def _open_data(plans: Sequence[RunPlan], locations: dict[str, str], folder: Path) -> dict[str, PreparedSet]:
    """Returns the whole sets, which have the splits that the runs need."""
    from trainer.commands.data_options import reading_progress
    from trainer.study import sets

    config = plans[0].config
    whole: dict[str, PreparedSet] = {}
    for name, location in locations.items():
        with reading_progress(location) as progress:
            whole[name] = sets.open_data(
                name, location, folder, config.image_size_px, config.channels, progress
            )
        sets.require_splits(whole[name], [own for own in plans if own.data == name])
    return whole


def _estimate(plans: Sequence[RunPlan], locations: dict[str, str], folder: Path) -> None:
    """Prints the runs and how long they will take; writes nothing."""
    from trainer.study import estimate, sets, tables

    with tempfile.TemporaryDirectory() as scratch:
        place = folder if (folder / "sets").is_dir() else Path(scratch)
        whole = _open_data(plans, locations, place)
        speeds: dict[tuple[str, str, int], float] = {}
        runs: list[estimate.Estimate] = []
        for own in plans:
            info = whole[own.data].info
            key = own.data, own.preset, own.config.batch_size
            if key not in speeds:
                click.echo(f"measuring {own.preset} at batch {own.config.batch_size}", err=True)
                speeds[key] = estimate.seconds_per_step(own.config, info.labels)
            runs.append(estimate.Estimate(own, sets.images_of(whole[own.data], own), speeds[key]))
    _print(tables.estimates(runs))
    total = dt.timedelta(seconds=round(sum(run.duration_s for run in runs)))
    count = f"{len(runs)} run{'s' * (len(runs) > 1)}"
    click.echo(f"{count}, about {total} of training on this machine as it is now; metrics not counted")


def _shown() -> Shown:
    """Returns how the work is shown: on stderr."""
    from trainer.study.running import Shown, Task

    def begin(task: Task, number: int, count: int) -> None:
        config, images = task.plan.config, task.prepared.info.splits["train"].images
        click.echo(
            f"run {number} of {count}: {task.plan.name}, {images} images, batch {config.batch_size}", err=True
        )

    return Shown(begin, _training, lambda text: click.echo(text, err=True))


@contextmanager
def _training(trainer: Trainer) -> Iterator[Watcher]:
    """Gives the watcher of a run; until the block ends, a signal stops the run with a checkpoint."""
    from trainer.commands.display import watching

    before = {
        number: signal.signal(number, lambda *_: trainer.stop()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with watching(trainer.share) as watcher:
            yield watcher
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(table: Table) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console(width=max(Console().width, WIDTH))
    shown = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1))
    for i, title in enumerate(table.head):
        shown.add_column(title, justify="right" if i else "left", no_wrap=i == 0)
    for row in table.rows:
        shown.add_row(*row)
    console.print(shown)


def _command() -> str:
    """Returns the command line that continues the study."""
    context = click.get_current_context()
    words = ["ganpress-trainer", "study"]
    for option in context.command.params:
        value = context.params[option.name or ""]
        if value is not None and value != option.get_default(context):
            for one in value if isinstance(value, tuple) else [value]:
                words += [option.opts[0], str(one)]
    return shlex.join(words)

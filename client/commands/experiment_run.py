"""`client experiment run` and `resume`."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from client.api import GanpressClient
from client.errors import GanpressError, InputError, PartialError
from client.experiment.means import print_means
from client.experiment.plan.model import Plan
from client.experiment.plan.reading import PlanFile, read_plan
from client.experiment.run.progress import RunProgress
from client.experiment.run.runner import Experiment
from client.experiment.run.session import RunOptions, prepare, run_experiment
from client.experiment.store.folder import Store
from client.experiment.store.journal import Shard
from client.experiment.store.manifest import FILE, read_manifest
from client.experiment.store.reading import RESULTS, Rows
from client.options import PLACE, Connection, connection_options
from client.terminal import note

Command = TypeVar("Command", bound=Callable[..., Any])


def _shard(context: click.Context, option: click.Parameter, value: str) -> Shard:
    """Returns the shard that I/N names."""
    match = re.fullmatch(r"(\d+)/(\d+)", value)
    if not match or int(match[1]) >= int(match[2]):
        message = f"{value!r} is no shard: give I/N with I from 0 to N - 1, such as 0/4"
        raise click.BadParameter(message, context, option)
    return Shard(int(match[1]), int(match[2]))


def _run_options(command: Command) -> Command:
    """Adds the options that a run has, begun or gone on with."""
    options = [
        click.option(
            "--data",
            metavar="PATH",
            type=PLACE,
            help="Folder or URL at which relative paths of images begin, instead of the plan's.",
        ),
        click.option(
            "--shard",
            callback=_shard,
            default="0/1",
            show_default=True,
            metavar="I/N",
            envvar="GANPRESS_SHARD",
            show_envvar=True,
            help="Run every N-th image, from number I (0 to N - 1); `client experiment merge` joins shards.",
        ),
        click.option(
            "--concurrency",
            type=click.IntRange(1, 1024),
            default=max(4, 2 * (os.cpu_count() or 1)),
            metavar="N",
            help="Most cells under way at a time.  [default: twice the cores, at least 4]",
        ),
        click.option(
            "--patience",
            "patience_s",
            type=click.FloatRange(0),
            default=120.0,
            show_default=True,
            metavar="SECONDS",
            help="How long a service may be away before the run stops.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Write nothing to stderr but errors."),
    ]
    for option in reversed(options):
        command = option(command)
    return connection_options("generator", "compressor")(command)


@click.command()
@click.argument("plan", type=PLACE)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="PATH",
    type=PLACE,
    help="Folder or URL such as s3://bucket/results for the results; made when it does not exist.",
)
@click.option("--dry-run", is_flag=True, help="Check the plan against the services and count its cells only.")
@_run_options
def run(
    connection: Connection,
    plan: str,
    output: str,
    dry_run: bool,
    data: str | None,
    shard: Shard,
    concurrency: int,
    patience_s: float,
    quiet: bool,
) -> None:
    """Run a plan: a YAML file, or a ready-made one by its name.

    Every image goes through every setting. A finished cell is kept at once: after a crash or Ctrl-C
    `client experiment resume` goes on, and so does the same command. A cell that fails is recorded with its
    error and the rest goes on; the exit code is then 1.

    \b
    client experiment run quick -o results/
    client experiment run plan.yaml --shard 0/4 -o s3://bucket/results
    """  # noqa: D301 - click keeps the lines after \b as they are
    plan_file = _with_data(read_plan(plan), data)
    words = ["client", "experiment", "run", plan, "-o", output, *(["--data", data] if data else [])]
    options = RunOptions(shard, concurrency, patience_s, quiet=quiet, command=shlex.join(words))
    store = Store(output)
    if dry_run:
        experiment, left_out = connection.run(lambda client: prepare(client, plan_file))
        _describe(experiment, left_out)
        return
    _run(connection, plan_file, store, options)


@click.command()
@click.argument("results", type=PLACE)
@click.option("--retry-failed", is_flag=True, help="Run cells again that failed.")
@_run_options
def resume(
    connection: Connection,
    results: str,
    retry_failed: bool,
    data: str | None,
    shard: Shard,
    concurrency: int,
    patience_s: float,
    quiet: bool,
) -> None:
    """Go on with a run that was stopped: RESULTS is its folder or URL.

    Cells that are done are not done again.
    """
    store = Store(results)
    manifest = read_manifest(store)
    if not manifest:
        raise InputError(
            f"{results} holds no results: it has no {FILE}; `client experiment run` begins a run"
        )
    plan = Plan.model_validate({**manifest.plan, "data": manifest.data})
    plan_file = _with_data(PlanFile(plan, f"{results}/{FILE}", "", {}), data)
    options = RunOptions(shard, concurrency, patience_s, retry_failed, quiet, manifest.command)
    _run(connection, plan_file, store, options)


def _run(connection: Connection, plan_file: PlanFile, store: Store, options: RunOptions) -> None:
    state = _State()

    async def work(client: GanpressClient) -> RunProgress:
        experiment, left_out = await prepare(client, plan_file)
        for line in left_out:
            note(f"note: {line}")
        return await run_experiment(client, experiment, store, options, state.start)

    try:
        progress = connection.run(work)
    except (KeyboardInterrupt, SystemExit):
        if state.progress:
            note(f"stopped: {state.kept(store, options.shard)}")
        raise
    except GanpressError:
        if state.progress:
            note(state.kept(store, options.shard))
        raise
    _finish(store, options, progress)


def _finish(store: Store, options: RunOptions, progress: RunProgress) -> None:
    with Rows([store]) as rows:
        if options.shard.count == 1:
            print_means(rows)
        failed, first = rows.failures()
    if not options.quiet:
        place = RESULTS if options.shard.count == 1 else f"parts/{options.shard}"
        note(f"{progress.total} cells are in {store.location.rstrip('/')}/{place}")
    if failed:
        raise PartialError(f"{failed} of {progress.total} cells failed, first {first}")


@dataclass
class _State:
    progress: RunProgress | None = None

    def start(self, progress: RunProgress) -> None:
        self.progress = progress

    def kept(self, store: Store, shard: Shard) -> str:
        done, total = (self.progress.done, self.progress.total) if self.progress else (0, 0)
        if shard.count == 1:  # what was being written when the run stopped is kept, too
            with suppress(GanpressError), Rows([store]) as rows:
                done = sum(map(len, rows.finished()))
        return (
            f"{done} of {total} cells are kept; "
            f"`client experiment resume {shlex.quote(store.location)}` goes on"
        )


def _with_data(plan_file: PlanFile, data: str | None) -> PlanFile:
    if data is None:
        return plan_file
    plan = plan_file.plan.model_copy(update={"data": data})
    return PlanFile(plan, plan_file.name, plan_file.text, plan_file.lines)


def _describe(experiment: Experiment, left_out: list[str]) -> None:
    for images in experiment.images:
        click.echo(f"{images.entry.name}: {images.entry.images} {images.entry.kind} images")
    for line in left_out:
        click.echo(line)
    click.echo(f"{len(experiment.plan.perturbations)} perturbations, {len(experiment.settings)} settings")
    click.echo(f"{experiment.cells} cells")

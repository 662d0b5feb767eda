"""A run from its plan to its results: begun, gone on with, ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any, cast

from client.api import GanpressClient
from client.errors import InputError
from client.experiment.plan.model import GeneratedSource
from client.experiment.plan.perturbation import Perturbation
from client.experiment.plan.reading import PlanFile
from client.experiment.run.calls import Calls
from client.experiment.run.items import Images, find_images
from client.experiment.run.progress import RunProgress, run_progress
from client.experiment.run.runner import Experiment, Runner
from client.experiment.run.settings import resolve_settings
from client.experiment.store.folder import Store
from client.experiment.store.journal import Journal, Shard
from client.experiment.store.manifest import FILE, Manifest, SettingEntry, read_manifest
from client.experiment.store.merge import merge
from client.experiment.store.reading import SETS, Rows, read_journal
from client.experiment.store.schema import SetRow, to_table


@dataclass(frozen=True)
class RunOptions:
    """How a run is done; nothing here changes its results."""

    shard: Shard
    """Which part of the cells."""
    concurrency: int = 8
    """Most cells under way at a time."""
    patience_s: float = 120.0
    """Longest that a service may be away."""
    retry_failed: bool = False
    """Run cells again that failed before."""
    quiet: bool = False
    """Show no progress."""
    command: str = ""
    """Command line of the run, for the manifest."""


async def prepare(client: GanpressClient, plan_file: PlanFile) -> tuple[Experiment, list[str]]:
    """Returns a plan with all that it names found, and why optional sources were left out.

    Raises:
        InputError: The plan names something that is not there; the message names the line.
        ServiceError: A service cannot be asked.
    """
    plan = plan_file.plan
    _check_packages(plan_file)
    settings = await resolve_settings(client, plan_file)
    images, left_out = await find_images(client, plan_file)
    is_drawn = any(isinstance(one.source, GeneratedSource) for one in images)
    experiment = Experiment(
        plan=plan,
        digest=plan.digest(),
        images=images,
        settings=settings,
        compressor_version=(await client.list_codecs()).ganpress_version,
        generator_version=(await client.list_models()).runtime.ganpress_version if is_drawn else None,
    )
    return experiment, left_out


async def run_experiment(
    client: GanpressClient,
    experiment: Experiment,
    store: Store,
    options: RunOptions,
    started: Callable[[RunProgress], None] = lambda _: None,
) -> RunProgress:
    """Runs what is not done yet of an experiment, and returns how it went.

    `started` is called with the progress before the first cell, and told of it whatever happens then. A
    run that is not a shard ends with `results.parquet`.

    Raises:
        InputError: The store holds something else.
        StoreError: It cannot be written.
        ServiceGoneError: A service stayed away.
    """
    await asyncio.to_thread(_claim, store, manifest_of(experiment, options.command))
    await asyncio.to_thread(_write_sets, experiment, store)
    with Rows([store]) as rows:
        done, failed = rows.finished()
    done |= set() if options.retry_failed else failed
    shard, cells = options.shard, experiment.cells_an_image
    total = sum(shard.owns(image) for image in range(experiment.cells // cells)) * cells
    before = sum(shard.owns(index // cells) for index in done)
    journal = Journal(store, shard)
    journal.adopt(*await asyncio.to_thread(read_journal, store, str(shard)))
    with run_progress(total, before, quiet=options.quiet) as progress:
        started(progress)
        calls = Calls(client, patience_s=options.patience_s)
        runner = Runner(experiment, calls, journal, progress, shard=shard, concurrency=options.concurrency)
        await runner.run(done)
    if shard.count == 1:
        await asyncio.to_thread(merge, [store], store)
    return progress


def manifest_of(experiment: Experiment, command: str) -> Manifest:
    """Returns the manifest of an experiment."""
    data = experiment.plan.data
    return Manifest(
        plan=experiment.plan.model_dump(mode="json"),
        plan_digest=experiment.digest,
        data=data if "://" in data else str(Path(data).absolute()),  # a run may go on in another folder
        cells=experiment.cells,
        sources=[images.entry for images in experiment.images],
        perturbations=[
            change.name if isinstance(change, Perturbation) else change
            for change in experiment.plan.perturbations
        ],
        settings=[
            SettingEntry(codec=setting.codec, technique=setting.technique, setting=setting.text)
            for setting in experiment.settings
        ],
        command=command,
    )


def _check_packages(plan_file: PlanFile) -> None:
    if "ssimulacra2" in plan_file.plan.metrics:
        try:
            import_module("ssimulacra2")
        except ImportError:
            raise plan_file.error(
                ("metrics",),
                "ssimulacra2 needs a package that is not installed: `pip install 'ganpress[metrics]'`, "
                "or leave it out of metrics",
            ) from None


def _claim(store: Store, manifest: Manifest) -> None:
    """Writes the manifest into a new store; one that has this experiment already stays as it is."""
    present = read_manifest(store)
    if not present:
        if not store.is_empty():
            raise InputError(
                f"{store.location} holds other files and no results: name a new folder, or an empty one"
            )
        store.put(FILE, manifest.to_json())
    elif difference := present.difference(manifest):
        raise InputError(
            f"{store.location} holds results that cannot be gone on with: {difference}; name another folder"
        )


def _write_sets(experiment: Experiment, store: Store) -> None:
    """Writes the trainer's figures of the sets of generated images."""
    rows = [row for images in experiment.images for row in _set_rows(experiment, images)]
    if rows and not store.exists(SETS):
        parquet = cast("Any", import_module("pyarrow.parquet"))
        file = BytesIO()
        parquet.write_table(to_table(rows, SetRow), file)
        store.put(SETS, file.getvalue())


def _set_rows(experiment: Experiment, images: Images) -> list[SetRow]:
    entry = images.entry
    return [
        SetRow(
            plan_digest=experiment.digest,
            source=entry.name,
            model=entry.model or "",
            model_version=entry.model_version or 0,
            model_digest=entry.model_digest or "",
            metric=figure.name,
            value=figure.value,
            spread=figure.spread,
            real=figure.real,
            method=figure.method,
            origin=images.figures_origin,
        )
        for figure in images.figures
    ]

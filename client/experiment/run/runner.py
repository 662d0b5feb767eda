"""Runs the cells of a plan that are not done yet."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

from client.errors import GanpressError
from client.experiment.plan.model import GeneratedSource, Plan
from client.experiment.plan.perturbation import NONE, Perturbation
from client.experiment.run.calls import Calls, ServiceGoneError
from client.experiment.run.environment import cpu, libraries
from client.experiment.run.inputs import Input, load, perturb
from client.experiment.run.items import Images, Item
from client.experiment.run.measure import Outcome, measure
from client.experiment.run.progress import RunProgress
from client.experiment.run.settings import Setting
from client.experiment.store.journal import Journal, Shard
from client.experiment.store.schema import Row
from services.common.version import GANPRESS_VERSION


@dataclass(frozen=True)
class Experiment:
    """A plan with everything that it names found."""

    plan: Plan
    """The plan."""
    digest: str
    """Its digest."""
    images: list[Images]
    """The images of its sources."""
    settings: list[Setting]
    """Its settings."""
    compressor_version: str
    """Version of the compressor."""
    generator_version: str | None
    """Version of the generator, where the plan draws images."""

    @property
    def cells_an_image(self) -> int:
        """Returns the number of cells of each image."""
        return len(self.plan.perturbations) * len(self.settings)

    @property
    def cells(self) -> int:
        """Returns the number of all cells."""
        return sum(len(images.items) for images in self.images) * self.cells_an_image


@dataclass(frozen=True)
class _Cell:
    index: int
    images: Images
    place: int
    """Of the image in its source."""
    perturbation: str
    given: Input
    setting: Setting


class Runner:
    """Runs the cells of one shard: a bounded number at a time, each durable before the next is taken."""

    def __init__(
        self,
        experiment: Experiment,
        calls: Calls,
        journal: Journal,
        progress: RunProgress,
        *,
        shard: Shard,
        concurrency: int,
    ) -> None:
        """Takes the experiment, and how many cells may be under way at a time."""
        self._experiment = experiment
        self._calls = calls
        self._journal = journal
        self._progress = progress
        self._shard = shard
        self._concurrency = concurrency
        self._executor = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="metrics")

    async def run(self, done: set[int]) -> None:
        """Runs all cells of the shard whose places in the plan's order are not in `done`.

        Raises:
            ServiceGoneError: A service stayed away.
            StoreError: The results cannot be written.
            InputError: The generator has another model now.
        """
        # Bounded: images wait here only until workers are free.
        queue: asyncio.Queue[_Cell | None] = asyncio.Queue(self._concurrency)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._feed(queue, done), name="experiment: feed")
                for number in range(self._concurrency):
                    tasks.create_task(self._work(queue), name=f"experiment: {number}")
        except BaseExceptionGroup as group:  # `except*` groups what it raises before 3.11.4
            known, unknown = group.split(GanpressError)
            if known is None or unknown is not None:
                raise
            raise next(_leaves(known)) from group
        finally:
            self._executor.shutdown(cancel_futures=True)
            await self._journal.close()

    async def _feed(self, queue: asyncio.Queue[_Cell | None], done: set[int]) -> None:
        first = 0
        for images in self._experiment.images:
            async for cell in self._cells(images, first, done):
                await queue.put(cell)
            first += len(images.items)
        for _ in range(self._concurrency):
            await queue.put(None)

    async def _cells(self, images: Images, first: int, done: set[int]) -> AsyncIterator[_Cell]:
        """Yields the cells of a source that are to be run; `first` is the number of its first image."""
        count = self._experiment.cells_an_image
        places = {
            item: place
            for place, item in enumerate(images.items)
            if self._shard.owns(first + place)
            and any((first + place) * count + cell not in done for cell in range(count))
        }
        if not places:
            return
        loaded = load(self._calls, images, list(places))
        for place in places.values():
            given = await anext(loaded)
            index = (first + place) * count
            for change in self._experiment.plan.perturbations:
                wanted = [
                    (index + number, setting)
                    for number, setting in enumerate(self._experiment.settings)
                    if index + number not in done
                ]
                index += len(self._experiment.settings)
                if not wanted:
                    continue
                changed = await perturb(given, change) if isinstance(change, Perturbation) else given
                name = change.name if isinstance(change, Perturbation) else NONE
                for number, setting in wanted:
                    yield _Cell(number, images, place, name, changed, setting)

    async def _work(self, queue: asyncio.Queue[_Cell | None]) -> None:
        while cell := await queue.get():
            row, files = await self._outcome(cell)
            await self._journal.add(row, files)
            self._progress.advance(len(cell.given.data), failed=row.error is not None)

    async def _outcome(self, cell: _Cell) -> tuple[Row, dict[str, bytes]]:
        """Returns the row of a cell and the files to keep."""
        given = cell.given
        if given.error:
            return self._row(cell, Outcome(), given.error), {}
        try:
            outcome = await measure(
                self._calls, self._executor, given, cell.setting, self._experiment.plan.metrics
            )
        except ServiceGoneError:
            raise
        except GanpressError as error:
            return self._row(cell, Outcome(), str(error)), {}
        return self._row(cell, outcome, None), dict(self._kept(cell, outcome))

    def _kept(self, cell: _Cell, outcome: Outcome) -> Iterator[tuple[str, bytes]]:
        keep = self._experiment.plan.keep_images
        if keep == "all" or cell.place < keep:
            yield _input_file(cell.given), cell.given.data
            yield _output_file(outcome), outcome.data

    def _row(self, cell: _Cell, outcome: Outcome, error: str | None) -> Row:
        experiment, entry, item = self._experiment, cell.images.entry, cell.given.item
        setting, kept = cell.setting, dict(self._kept(cell, outcome)) if outcome.data else {}
        return Row(
            plan_digest=experiment.digest,
            cell_id=_cell_id(experiment.digest, entry.name, item, cell.perturbation, setting),
            cell_index=cell.index,
            source=entry.name,
            source_kind=entry.kind,
            data_set=entry.data_set,
            split=entry.split,
            image=item.name,
            label=item.label,
            model=entry.model,
            model_version=entry.model_version,
            model_digest=entry.model_digest,
            model_architecture=entry.architecture,
            seed=item.seed,
            truncation=cell.images.truncation,
            perturbation=cell.perturbation,
            codec=setting.codec,
            technique=setting.technique,
            setting=setting.text,
            input_sha256=cell.given.sha256(),
            input_file=_input_file(cell.given) if kept else None,
            output_file=_output_file(outcome) if kept else None,
            error=error,
            ganpress_version=GANPRESS_VERSION,
            compressor_version=experiment.compressor_version,
            generator_version=experiment.generator_version
            if isinstance(cell.images.source, GeneratedSource)
            else None,
            libraries=libraries(),
            cpu=cpu(),
            **outcome.columns,
        )


def _cell_id(digest: str, source: str, item: Item, perturbation: str, setting: Setting) -> str:
    parts = (digest, source, item.name, perturbation, setting.codec, setting.text)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _input_file(given: Input) -> str:
    extension = (
        "png" if given.data.startswith(b"\x89PNG") else PurePosixPath(given.item.name).suffix.lstrip(".")
    )
    return f"images/inputs/{given.sha256()}.{extension.lower()}"


def _output_file(outcome: Outcome) -> str:
    return f"images/outputs/{outcome.columns['output_sha256']}{outcome.extension}"


def _leaves(group: BaseExceptionGroup[GanpressError]) -> Iterator[GanpressError]:
    """Yields the errors in a group, however it is nested."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error

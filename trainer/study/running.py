"""Does the runs of a study, one after the other, each from where it stands."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer import runs
from trainer.checkpoint import MAY_CHANGE, RunError
from trainer.data.dataset import data_record
from trainer.data.sets import PreparedSet
from trainer.loop import CollapsedError, DivergedError, Trainer, Watcher
from trainer.study import outcome, record, tables
from trainer.study.outcome import Measuring
from trainer.study.plan import RunPlan, StudyError
from trainer.study.record import Files, RunRecord, StudyRecord

RUNS = "runs"
_MAY_DIFFER = MAY_CHANGE - {"epochs", "minutes"}
"""Settings that do not change what a study's run is."""


@dataclass(frozen=True)
class Task:
    """A run and the images it is trained on."""

    plan: RunPlan
    """What is to be done."""
    prepared: PreparedSet
    """Its set, as `open_run_set` makes it."""


@dataclass(frozen=True)
class Shown:
    """How the work is shown to a user."""

    begin: Callable[[Task, int, int], None]
    """Takes a run that begins, its number and how many there are."""
    training: Callable[[Trainer], AbstractContextManager[Watcher]]
    """Gives the watcher of a run for the time that it is trained, during which a signal stops it."""
    note: Callable[[str], None]
    """Takes a sentence."""


class StoppedError(Exception):
    """A signal ended the run that was under way; everything is saved."""


def open_study(folder: Path, tasks: Sequence[Task], command: str) -> None:
    """Writes the runs to the study's record, beside those that are there already.

    Args:
        folder: of the study; it exists.
        tasks: runs in the order of the table.
        command: command line that continues the study.

    Raises:
        StudyError: the study has a run of one of the names with other settings or data.
        RecordError: the record that is there cannot be used.
    """
    with record.locked(folder / ".study.lock"):
        there = record.read(folder)
        known = {run.name: run for run in there.runs} if there else {}
        fresh = {task.plan.name: _planned(task) for task in tasks}
        for name in known.keys() & fresh.keys():
            _require_same(folder, known[name], fresh[name])
        machine, versions = record.this_machine(), record.these_versions()
        every = sorted((fresh | known).values(), key=_order)
        record.write(
            folder, StudyRecord(command=command, machine=machine, versions=versions, runs=tuple(every))
        )


def do_runs(folder: Path, tasks: Sequence[Task], measuring: Measuring, shown: Shown) -> StudyRecord:
    """Does all runs that have not ended, and returns the record of the whole study.

    A run that diverges or collapses is recorded as such; the others go on. One that another process is
    training is left to it.

    Raises:
        StoppedError: a signal ended it.
        RunError: a run's folder cannot be used, or a checkpoint not be written.
    """
    for number, task in enumerate(tasks, 1):
        name = task.plan.name
        run = folder / RUNS / name
        run.parent.mkdir(exist_ok=True)
        with record.locked(run.with_name(f".{name}.lock"), wait=False) as is_ours:
            if not is_ours:
                shown.note(f"{name}: another process is at it")
                continue
            if _read(folder).run(name).ended:
                shown.note(f"{name}: done already")
                continue
            shown.begin(task, number, len(tasks))
            _do(folder, task, measuring, shown)
    return _read(folder)


def _do(folder: Path, task: Task, measuring: Measuring, shown: Shown) -> None:
    """Trains one run to its end and measures it."""
    name = task.plan.name
    trainer = _open_run(folder / RUNS / name, task)
    _update(folder, name, status="begun", device=outcome.device_of(trainer.run))

    def warn(text: str) -> None:
        own = _read(folder).run(name)
        _update(folder, name, warnings=(*own.warnings, text))

    ended: dict[str, Any] = {"status": "finished"}
    try:
        with shown.training(trainer) as watcher:
            trainer.train(dataclasses.replace(watcher, warn=lambda text: (warn(text), watcher.warn(text))[0]))
    except DivergedError as error:
        ended = {"status": "diverged", "error": str(error)}
    except CollapsedError as error:
        ended = {"status": "collapsed", "error": str(error)}
    if trainer.stopped:
        raise StoppedError
    if "error" in ended:
        shown.note(f"{name}: {ended['error']}")
    numbers = outcome.numbers(trainer)
    device = trainer.device
    del trainer  # its networks; a GPU's memory is needed for measuring
    shown.note(f"{name}: trained; drawing and measuring")
    measured = outcome.measure(folder, name, task.prepared, device, measuring)
    if reason := measured.get("not_measured"):
        shown.note(f"{name}: quality was not measured: {reason}")
    _update(folder, name, **numbers, **measured, **ended)
    tables.write(folder, _read(folder))


def _open_run(run: Path, task: Task) -> Trainer:
    """Returns the trainer of the run, new or at its checkpoint."""
    data = task.prepared.split()
    if (run / "checkpoint.pt").exists():
        return runs.resume(data, run, config=task.plan.config)
    if run.exists():
        shutil.rmtree(run)  # it ended before its first checkpoint
    return runs.start(task.plan.config, data, run, data_record(data))


def _planned(task: Task) -> RunRecord:
    plan, data = task.plan, task.prepared.info.splits
    return RunRecord(
        name=plan.name,
        data=plan.data,
        split=plan.split,
        preset=plan.preset,
        seed=plan.config.seed,
        config=dataclasses.asdict(plan.config),
        data_name=task.prepared.info.name,
        data_sha256=data["train"].sha256,
        images=data["train"].images,
        images_per_label=data["train"].images_per_label,
        unseen_images=data["test"].images if "test" in data else 0,
        published=plan.published,
        files=Files(
            run=f"{RUNS}/{plan.name}",
            real=f"{plan.name}/real.png",
            generated=f"{plan.name}/generated.png",
            neighbours=f"{RUNS}/{plan.name}/neighbours.png",
        ),
    )


def _require_same(folder: Path, there: RunRecord, asked: RunRecord) -> None:
    """Raises StudyError where a run in the record is not the one that is asked for."""
    differing = [
        f"{name} {there.config.get(name)!r}, not {value!r}"
        for name, value in asked.config.items()
        if name not in _MAY_DIFFER and there.config.get(name) != value
    ]
    if there.data_sha256 != asked.data_sha256:
        differing.append("other images or labels")
    if differing:
        raise StudyError(
            f"{folder} has the run {there.name} with {differing[0]}: give the same options, or another --out "
            "for another study"
        )


def _order(run: RunRecord) -> tuple[int, int, int]:
    """Sorts runs as the study's table does; presets come in the order in which they came, being stable."""
    return ["cars", "dogs"].index(run.data), ["train", "test"].index(run.split), 0


def _read(folder: Path) -> StudyRecord:
    there = record.read(folder)
    if there is None:
        raise RunError(f"{folder / record.FILE} is gone; start the study again, its runs are kept")
    return there


def _update(folder: Path, name: str, **changes: Any) -> None:
    """Changes the record of one run, other processes' records being as they are on the disk."""
    with record.locked(folder / ".study.lock"):
        there = _read(folder)
        changed = tuple(run.model_copy(update=changes) if run.name == name else run for run in there.runs)
        record.write(folder, there.model_copy(update={"runs": changed}))

"""The report of a training study, and of runs alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from client.experiment.report.blocks import Block, Code, Points, Report, Section
from client.experiment.training import report
from client.experiment.training.record import read_study
from client.experiment.training.sections import study_sections, training_sections


def study_report(folder: Path, runs: Sequence[Path] = ()) -> Report:
    """Returns the report of the training study in a folder, with further runs.

    Raises:
        InputError: Its study.json is damaged.
    """
    study = read_study(folder)
    *facts, command = report.facts(study)
    blocks: list[Block] = [Points([*report.findings(study.runs), *report.notes(study.runs)])]
    return Report(
        report.title(study),
        "The 2022 study's training runs, done again.",
        [
            Section("summary", "In short", blocks),
            *study_sections(folder, study),
            *training_sections(runs),
            Section("reproduce", "How to do it again", [Code(command), Points(facts)]),
        ],
    )


def runs_report(folders: Sequence[Path]) -> Report:
    """Returns a report of runs alone.

    Raises:
        InputError: A folder is no run, or damaged.
    """
    names = ", ".join(folder.resolve().name for folder in folders)
    sources = Section("folders", "Where it comes from", [Points([f"`{folder}`" for folder in folders])])
    subtitle = "Losses, samples and quality as the trainer wrote them."
    return Report(f"Training: {names}", subtitle, [*training_sections(folders), sources])

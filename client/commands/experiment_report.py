"""`client experiment report`: the report of an experiment, or of what the trainer wrote."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from client.errors import InputError
from client.options import PLACE, force_option
from client.terminal import note
from client.writing import atomic_file, check_free

if TYPE_CHECKING:
    from client.experiment.report.blocks import Report

PAGE = "report.html"
FORMATS = ("html", "md", "csv", "json")


@click.command(short_help="Make the report of an experiment or of a training study.")
@click.argument("folder", type=PLACE)
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Show losses and samples of this run or study of ganpress-trainer too; may be repeated.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="html",
    show_default=True,
    help="A page, or tables as Markdown, CSV (the main one) or JSON (all).",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=PLACE,
    help=f"Where to write; - is stdout. Without it a page goes to FOLDER/{PAGE}, the rest to stdout.",
)
@force_option
@click.option("--open", "opens", is_flag=True, help="Show the page in a browser.")
def report(
    folder: str, runs: Sequence[Path], form: str, output: str | None, force: bool, opens: bool
) -> None:
    """Make the report of an experiment or of a training study.

    FOLDER is what `client experiment run` wrote, finished or not: a folder, or a URL such as
    s3://bucket/results. Or it is what `ganpress-trainer study` or `ganpress-trainer train` wrote. The page
    needs no other file.

    \b
    client experiment report results/ --open
    client experiment report results/ --run runs/cars --format md > results.md
    """  # noqa: D301 - click keeps the lines after \b as they are
    if opens and (form != "html" or output == "-"):
        raise InputError("--open shows a page that is a file: leave out --format and -o -")
    if output not in (None, "-") and not force:
        check_free(Path(output))  # before the work
    content = _report(folder, runs)
    text = _writer(form)(content)
    if output == "-" or (output is None and form != "html"):
        sys.stdout.write(text)
        return
    place = _write(folder, output, text, force=force)
    note(f"the report is {place}")
    if opens:
        click.launch(place)


def _report(folder: str, runs: Sequence[Path]) -> Report:
    from client.experiment.training.plain import is_run
    from client.experiment.training.record import is_study

    if is_study(Path(folder)):
        from client.experiment.training.page import study_report

        return study_report(Path(folder), runs)
    if is_run(Path(folder)):
        from client.experiment.training.page import runs_report

        return runs_report([Path(folder), *runs])
    from client.experiment.report.data import read_results
    from client.experiment.report.experiment import experiment_report

    return experiment_report(read_results(folder), runs)


def _writer(form: str) -> Callable[[Report], str]:
    from client.experiment.report.markdown import to_markdown
    from client.experiment.report.page import to_html
    from client.experiment.report.plain import to_csv, to_json

    return {"html": to_html, "md": to_markdown, "csv": to_csv, "json": to_json}[form]


def _write(folder: str, output: str | None, text: str, *, force: bool) -> str:
    """Writes the text and returns where it is."""
    if output is not None:
        with atomic_file(Path(output), force=force) as file:
            file.write(text.encode())
        return output
    from client.experiment.store.folder import Store

    store = Store(folder)
    store.put(PAGE, text.encode())
    return f"{store.location}/{PAGE}"

"""`client experiment report`: the page of a training study."""

from __future__ import annotations

from pathlib import Path

import click

from client.errors import InputError
from client.tables import print_table
from client.terminal import note
from client.writing import atomic_file

PAGE = "report.html"


@click.command(short_help="Make the page of a training study.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--open", "opens", is_flag=True, help="Show the page in a browser.")
def report(folder: Path, opens: bool) -> None:
    """Make the page of a training study.

    FOLDER is what `ganpress-trainer study` wrote, finished or not: it gets report.html with the times beside
    the 2022 study's, loss curves, real images beside generated ones, and quality. The times are also printed
    on stdout. The folder of an experiment has its page already; it is found again.
    """
    from client.experiment.training.record import is_study

    page = folder / PAGE
    if is_study(folder):
        _write_study(folder, page)
    elif not ((folder / "results.parquet").is_file() and page.is_file()):
        raise InputError(
            f"{folder} holds neither a training study (study.json) nor an experiment (results.parquet and "
            f"{PAGE}): name what `ganpress-trainer study` or `client experiment` wrote"
        )
    note(f"the report is {page}")
    if opens:
        click.launch(str(page))


def _write_study(folder: Path, page: Path) -> None:
    from client.experiment.training.page import to_html
    from client.experiment.training.record import read_study
    from client.experiment.training.report import times

    study = read_study(folder)
    with atomic_file(page) as file:
        file.write(to_html(folder, study).encode())
    table = times(study.runs)
    groups = [group for group, span in table.groups for _ in range(span)]
    head = [f"{group}:\n{title}" if group else title for group, title in zip(groups, table.head, strict=True)]
    print_table(head, table.rows)

"""`client experiment merge`, `plans` and `schema`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from client.experiment.plan.reading import json_schema, read_plan, ready_made
from client.experiment.store.folder import Store
from client.experiment.store.merge import merge as merge_stores
from client.experiment.store.reading import RESULTS
from client.options import PLACE
from client.tables import print_table
from client.terminal import note


@click.command()
@click.argument("results", nargs=-1, required=True, type=PLACE)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    type=PLACE,
    help="Where to write, instead of the first of RESULTS; a folder or URL.",
)
@click.option("--partial", is_flag=True, help="Merge what is there even when cells are missing.")
def merge(results: Sequence[str], output: str | None, partial: bool) -> None:
    """Put the results of shards into one file.

    RESULTS are folders or URLs that shards of one plan wrote to; mostly it is one that all share. Merging
    again changes nothing.
    """
    stores = [Store(location) for location in dict.fromkeys(results)]
    target = Store(output) if output else stores[0]
    rows = merge_stores(stores, target, partial=partial)
    note(f"{rows} cells are in {target.location.rstrip('/')}/{RESULTS}")


@click.command()
@click.argument("name", required=False)
def plans(name: str | None) -> None:
    """List the ready-made plans, or show one as YAML, to change it."""
    if name:
        click.echo(read_plan(name).text, nl=False)
        return
    print_table(["plan", "what it is for"], [[one, read_plan(one).plan.description] for one in ready_made()])


@click.command()
def schema() -> None:
    """Print the JSON Schema of plans, for editors and other programs."""
    click.echo(json_schema(), nl=False)

"""`client experiment`: plans, runs and their results."""

from __future__ import annotations

import importlib

import click

_COMMANDS = {
    "run": "Run a plan.",
    "resume": "Go on with a run that was stopped.",
    "merge": "Put the results of shards into one file.",
    "plans": "List the ready-made plans, or show one.",
    "schema": "Print the JSON Schema of plans.",
    "report": "Make a page of a run's results.",
}


class _Group(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Returns the names in the order of a user's work."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Returns a command, None when there is none of this name."""
        if cmd_name not in _COMMANDS:
            return None
        module = "report" if cmd_name == "report" else "run" if cmd_name in ("run", "resume") else "results"
        return getattr(importlib.import_module(f"client.commands.experiment_{module}"), cmd_name)


@click.group(cls=_Group, short_help="Compare the codecs on generated and real images.")
def experiment() -> None:
    """Compare the codecs on generated and real images.

    A plan says which images go through which codecs and settings: a YAML file, or one of the ready-made
    plans that `client experiment plans` lists. Results are rows in Parquet, one for each image and setting.

    \b
    client experiment run quick -o results/
    client experiment resume results/
    client experiment report results/
    """  # noqa: D301 - click keeps the lines after \b as they are

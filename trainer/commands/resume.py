"""`ganpress-trainer resume`: continues a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click


@click.command(short_help="Continue a run from its checkpoint.")
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--epochs", type=float, help="Another end: so many passes over the data in all; 0 sets none.")
@click.option("--minutes", type=float, help="Another end: so many minutes of training in all; 0 sets none.")
def resume(run: Path, epochs: float | None, minutes: float | None) -> None:
    """Continue RUN from its newest checkpoint, on the same data and with the same settings.

    With another end the learning rate and the penalties follow the new length from where they stand: after
    a finished run they rise again.
    """
    from trainer import runs
    from trainer.checkpoint import load_config
    from trainer.commands.running import processes, run_to_end
    from trainer.data.opening import data_of_run

    kept = load_config(run)
    ends = {"epochs": epochs, "minutes": minutes}
    config = dataclasses.replace(kept, **{name: value for name, value in ends.items() if value is not None})
    with processes(config) as group:
        run_to_end(runs.resume(data_of_run(run).split(), run, group=group, config=config))

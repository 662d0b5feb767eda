"""`ganpress-trainer train`: trains a GAN."""

from __future__ import annotations

import dataclasses
import signal
import sys
from pathlib import Path
from typing import Any

import click

from trainer.commands.data_options import data_options, reading_progress
from trainer.config import PRESETS, Config, ConfigError, resolve
from trainer.data.options import DataOptions


def _config_options(command: Any) -> Any:
    """Adds one flag for each field of `Config`, documented from the class."""
    docs = _field_docs()
    for field in reversed(dataclasses.fields(Config)):
        name = "--" + field.name.replace("_", "-")
        text = f"{docs[field.name]} [default: {field.default}, unless the preset says otherwise]"
        if isinstance(field.default, bool):
            option = click.option(
                f"{name}/--no-{field.name.replace('_', '-')}", field.name, default=None, help=text
            )
        else:
            option = click.option(name, field.name, type=type(field.default), default=None, help=text)
        command = option(command)
    return command


def _field_docs() -> dict[str, str]:
    """Returns the docstring under each field of `Config`."""
    import ast
    import inspect

    (class_node,) = ast.parse(inspect.getsource(Config)).body
    assert isinstance(class_node, ast.ClassDef)  # noqa: S101
    docs: dict[str, str] = {}
    for field, below in zip(class_node.body, class_node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
            docs[ast.unparse(field.target)] = ast.literal_eval(below.value)
    return docs


@click.command(short_help="Train a GAN on images.")
@click.argument("data")
@click.option("--out", "run", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--preset", default="cgan", show_default=True, help=f"Starting point: {', '.join(PRESETS)}.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="TOML file of settings.")
@click.option(
    "--resume", is_flag=True, help="Continue the run in --out from its checkpoint, with its settings."
)
@data_options
@_config_options
def train(
    data: str, run: Path, preset: str, file: Path | None, resume: bool, data_options: DataOptions,
    **flags: Any,
) -> None:  # fmt: skip
    """Trains on DATA: a prepared set, or raw images as `prepare` takes them."""
    from rich.console import Console

    from trainer import loop
    from trainer.commands.set_table import print_set
    from trainer.data.dataset import data_record
    from trainer.data.opening import data_of_run, open_or_prepare

    run_exists = (run / "config.json").exists()
    if resume and (given := [name for name, value in flags.items() if value is not None]):
        raise ConfigError(f"--resume keeps the run's settings; leave out {', '.join(given)}")
    config = loop.load_config(run) if resume else resolve(preset, file, flags)
    if run_exists and not resume:
        raise ConfigError(f"{run} already holds a run; add --resume to continue it, or choose another folder")
    if resume:
        dataset = data_of_run(run).split()
        trainer = loop.resume(dataset, run)
    else:
        with reading_progress(data) as progress:
            prepared = open_or_prepare(
                data, run, size_px=config.image_size_px, channels=config.channels, options=data_options,
                progress=progress,
            )  # fmt: skip
        print_set(prepared, Console(stderr=True))
        dataset = prepared.split()
        trainer = loop.start(config, dataset, run, data_record(dataset))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: trainer.stop())
    _train_with_progress(trainer)
    if trainer.stopping:
        click.echo(f"stopped at step {trainer.step}; continue with --resume", err=True)
        sys.exit(130)
    click.echo(
        f"trained to step {trainer.step}; samples in {run / 'samples'}, checkpoint in {run / 'checkpoint.pt'}"
    )


def _train_with_progress(trainer: Any) -> None:
    """Trains under a progress bar, or with a line now and then where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=trainer.total_steps, completed=trainer.step)

        def report(p: Any) -> None:
            numbers = (
                f"epoch {p.epoch:.1f}  D {p.d_loss:.3f}  G {p.g_loss:.3f}  {p.images_per_s:.0f} images/s"
            )
            bar.update(task, completed=p.step, description=numbers)
            if not console.is_terminal and p.step % 500 == 0:
                click.echo(f"step {p.step}/{p.total_steps}  {numbers}", err=True)

        trainer.train(report)

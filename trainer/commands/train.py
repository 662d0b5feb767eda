"""`ganpress-trainer train`: trains a GAN."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import click

from trainer.commands.data_options import data_options, reading_progress
from trainer.config import PRESETS, Config, resolve
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
    "--init-from", type=click.Path(exists=True, path_type=Path),
    help="Start with the weights of another run: its folder, or one of its checkpoints.",
)  # fmt: skip
@click.option(
    "--dry-run", is_flag=True, help="Show the settings, as TOML for --config, and the data; train not."
)
@data_options
@_config_options
def train(
    data: str, run: Path, preset: str, file: Path | None, init_from: Path | None, dry_run: bool,
    data_options: DataOptions, **flags: Any,
) -> None:  # fmt: skip
    """Train on DATA: a prepared set, or raw images as `prepare` takes them."""
    from rich.console import Console

    from trainer import runs
    from trainer.commands.running import processes, run_to_end
    from trainer.commands.set_table import print_set
    from trainer.data.dataset import data_record
    from trainer.data.opening import open_or_prepare
    from trainer.data.sets import PreparedSet

    config = resolve(preset, file, flags)

    def read(folder: Path) -> PreparedSet:
        with reading_progress(data) as progress:
            prepared = open_or_prepare(
                data, folder, size_px=config.image_size_px, channels=config.channels, options=data_options,
                progress=progress,
            )  # fmt: skip
        print_set(prepared, Console(stderr=True))
        return prepared

    if dry_run:
        click.echo(_toml(config), nl=False)
        with tempfile.TemporaryDirectory() as folder:
            read(Path(folder))
        return
    runs.require_new(run)
    with processes(config) as group:
        group.on_first(read, run)
        dataset = open_or_prepare(
            data, run, size_px=config.image_size_px, channels=config.channels, options=data_options
        ).split()
        record = data_record(dataset)
        run_to_end(runs.start(config, dataset, run, record, group=group, init_from=init_from))


def _toml(config: Config) -> str:
    """Returns the settings as a file that --config takes."""
    settings = dataclasses.asdict(config).items()
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in settings)

"""`ganpress-trainer prepare`: makes a set for training from raw data."""

from __future__ import annotations

from pathlib import Path

import click

from trainer.commands.data_options import data_options, reading_progress
from trainer.config import ConfigError
from trainer.data.options import DataOptions


@click.command(short_help="Decode, check and split images once, for training.")
@click.argument("data")
@click.option("--out", "folder", type=click.Path(path_type=Path), help="Folder of the set, which is made.")
@click.option("--size-px", type=int, default=64, show_default=True, help="Side of the images: 32, 64 or 128.")
@click.option("--grey", is_flag=True, help="Grey images instead of RGB.")
@click.option("--workers", type=click.IntRange(min=1), help="Threads that decode. [default: one a CPU]")
@click.option("--verify", is_flag=True, help="DATA is a prepared set: compare its content with its digests.")
@data_options
def prepare(
    data: str, folder: Path | None, size_px: int, grey: bool, workers: int | None, verify: bool,
    data_options: DataOptions,
) -> None:  # fmt: skip
    """Decode, check and split the images of DATA once, and write them to a folder for training.

    \b
    DATA is a path or a URL of:
      Stanford Cars as published    a folder with devkit/*.mat, cars_train/, cars_test/
      a folder                      class/*.jpg at any depth, such as Kaggle's cat-and-dog set
      a tar file                    of such a folder, compressed or not
      WebDataset shards             'shard-{000..007}.tar' of key.jpg with key.cls or key.json
    """  # noqa: D301 - click keeps the lines after \b as they are
    from rich.console import Console

    from trainer.commands.set_table import print_set
    from trainer.data import prepare as preparation
    from trainer.data.sets import open_set

    if verify:
        if folder:
            raise ConfigError("--verify checks the prepared set DATA; leave out --out")
        prepared = open_set(Path(data), verify=True)
        print_set(prepared, Console())
        click.echo(f"{data} is whole")
        return
    if folder is None:
        raise click.UsageError("Missing option '--out'.")
    with reading_progress(data) as progress:
        prepared = preparation.prepare(
            data, folder, size_px=size_px, channels=1 if grey else 3, options=data_options, workers=workers,
            progress=progress,
        )  # fmt: skip
    print_set(prepared, Console())

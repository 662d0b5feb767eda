"""`client generate`: draws images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import click

from client import sidecar
from client.api import GanpressClient
from client.errors import InputError
from client.generation import FileFormat, Priority
from client.options import Connection, connection_options, force_option, output_option
from client.outputs import Output, open_sink
from client.terminal import note, progress

_EXTENSIONS: dict[FileFormat, str] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


@click.command(short_help="Draw images from a generator.")
@click.option("--model", default="", metavar="NAME", help="Model; without it the one that has the label.")
@click.option(
    "--model-version", type=int, default=0, metavar="N", help="Version of the model; 0 is the newest."
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    help="What to draw, such as sedan; repeat it for several. Without it labels are drawn from the seeds.",
)
@click.option("-n", "--count", type=int, default=1, show_default=True, help="Images of each label.")
@click.option("--seed", type=int, help="Seed of the first image, 0 to 2^64 - 1; the next ones count up.")
@click.option(
    "--to-seed",
    type=int,
    metavar="SEED",
    help="Draw images on the way from --seed to this one: -n of them, both ends included.",
)
@click.option(
    "--mix",
    "mixes",
    multiple=True,
    metavar="LABEL=WEIGHT",
    help="Mix labels by weight in place of --label, for models that can; repeat it for each label.",
)
@click.option("--truncation", type=float, help="Above 0, at most 1: smaller is more typical, less varied.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(get_args(FileFormat)),
    default="png",
    show_default=True,
    help="Format of the images.",
)
@click.option("--quality", type=int, help="Quality of JPEG and WebP, 1 to 100.  [default: 90]")
@click.option(
    "--priority",
    type=click.Choice(get_args(Priority)),
    default="normal",
    show_default=True,
    help="Rank among the requests that wait for a busy server.",
)
@output_option
@force_option
@click.option("-q", "--quiet", is_flag=True, help="Write nothing to stderr but errors.")
@connection_options("generator")
def generate(
    connection: Connection,
    model: str,
    model_version: int,
    labels: Sequence[str],
    count: int,
    seed: int | None,
    to_seed: int | None,
    mixes: Sequence[str],
    truncation: float | None,
    file_format: FileFormat,
    quality: int | None,
    priority: Priority,
    output: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """Draw images.

    One image is a file that names its model, label and seed. Several are a tar stream of files, each with a
    .json file beside it, for `client compress`, `tar` and WebDataset.

    \b
    client generate --label sedan -o sedan.png
    client generate --label suv --label van -n 20 --seed 1 -o cars/
    client generate --label suv --seed 1 --to-seed 2 -n 60 -o walk/
    client generate --label sedan | client compress --method kmeans -o sedan.kmeans.png
    """  # noqa: D301 - click keeps the lines after \b as they are
    label_mix = _label_mix(mixes)
    if label_mix and labels:
        raise InputError("give --label or --mix, not both")
    if to_seed is not None and seed is None:
        raise InputError("--to-seed needs the --seed to start from")
    wanted = list(dict.fromkeys(labels)) or [""]
    total = count * len(wanted)
    extension = _EXTENSIONS[file_format]

    async def work(client: GanpressClient) -> int:
        drawn = 0
        with (
            open_sink(output, is_stream=total > 1, total=total, force=force) as sink,
            progress("drawing", total) as bar,
        ):
            for label in wanted:
                images = client.generate(
                    model=model,
                    model_version=model_version,
                    label=label,
                    label_mix=label_mix,
                    count=count,
                    seed=seed,
                    to_seed=to_seed,
                    truncation=truncation,
                    file_format=file_format,
                    quality=quality,
                    priority=priority,
                )
                async for image in images:
                    fields = sidecar.of_generated(image)
                    key = sidecar.key_of_generated(image)
                    sink.add(Output(key, extension, image.data, {sidecar.EXTENSION: sidecar.dump(fields)}))
                    bar.advance()
                    drawn += 1
                    if total == 1 and not quiet:
                        note(f"{key}: {image.size.width_px}x{image.size.height_px}, seed {image.seed}")
        return drawn

    drawn = connection.run(work)
    if total > 1 and not quiet:
        note(f"{drawn} images drawn")


def _label_mix(mixes: Sequence[str]) -> dict[str, float]:
    """Returns the weights by label of options in the form LABEL=WEIGHT.

    Raises:
        InputError: One has another form, or its label is there twice.
    """
    weights: dict[str, float] = {}
    for mix in mixes:
        label, _, weight = mix.rpartition("=")
        if label in weights:
            raise InputError(f"--mix has the label {label!r} twice")
        try:
            weights[label] = float(weight)
        except ValueError:
            label = ""
        if not label:
            raise InputError(f"--mix is LABEL=WEIGHT, such as sedan=0.5, not {mix!r}")
    return weights

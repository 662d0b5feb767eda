"""`client generate`: draws images."""

from __future__ import annotations

from collections.abc import Sequence

import click

from client import sidecar
from client.api import GanpressClient
from client.options import Connection, connection_options, output_option
from client.outputs import Output, open_sink
from client.terminal import note, progress


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
@click.option("--truncation", type=float, help="Above 0, at most 1: smaller is more typical, less varied.")
@output_option
@click.option("-q", "--quiet", is_flag=True, help="Write nothing to stderr but errors.")
@connection_options("generator")
def generate(
    connection: Connection,
    model: str,
    model_version: int,
    labels: Sequence[str],
    count: int,
    seed: int | None,
    truncation: float | None,
    output: str | None,
    quiet: bool,
) -> None:
    """Draw images.

    One image is a PNG that names its model, label and seed. Several are a tar stream of PNGs, each with a
    .json file beside it, for `client compress`, `tar` and WebDataset.

    \b
    client generate --label sedan -o sedan.png
    client generate --label suv --label van -n 20 --seed 1 -o cars/
    client generate --label sedan | client compress --method kmeans -o sedan.kmeans.png
    """  # noqa: D301 - click keeps the lines after \b as they are
    wanted = list(dict.fromkeys(labels)) or [""]
    total = count * len(wanted)

    async def work(client: GanpressClient) -> int:
        drawn = 0
        with open_sink(output, is_stream=total > 1) as sink, progress("drawing", total) as bar:
            for label in wanted:
                images = client.generate(
                    model=model,
                    model_version=model_version,
                    label=label,
                    count=count,
                    seed=seed,
                    truncation=truncation,
                )
                async for image in images:
                    fields = sidecar.of_generated(image)
                    key = sidecar.key_of_generated(image)
                    sink.add(Output(key, ".png", image.data, {sidecar.EXTENSION: sidecar.dump(fields)}))
                    bar.advance()
                    drawn += 1
                    if total == 1 and not quiet:
                        note(f"{key}: {image.size.width_px}x{image.size.height_px}, seed {image.seed}")
        return drawn

    drawn = connection.run(work)
    if total > 1 and not quiet:
        note(f"{drawn} images drawn")

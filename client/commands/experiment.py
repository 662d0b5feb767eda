"""`client experiment`: compares the codecs on generated and real images."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click
from click.core import ParameterSource

from client.api import GanpressClient
from client.background import in_background
from client.commands.experiment_report import report
from client.errors import InputError, PartialError
from client.experiment.chart import draw_charts
from client.experiment.markdown import to_markdown
from client.experiment.measure import Cell, measure
from client.experiment.page import to_html
from client.experiment.pictures import Picture, choose, draw, resize
from client.experiment.report import psnr_text, write_report
from client.experiment.results import Row, to_csv, to_parquet
from client.experiment.showcase import Strip, make_strip
from client.experiment.summary import Line, Means, summarize
from client.experiment.sweep import DEFAULT_SWEEP, resolve
from client.options import Connection, connection_options
from client.samples import Source
from client.tables import print_table
from client.terminal import note, open_source, progress
from client.writing import atomic_file
from services.common.version import GANPRESS_VERSION


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[report FOLDER]",
    short_help="Compare the codecs on generated and real images.",
)
@click.option(
    "-n",
    "--count",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Generated images, and as many real ones.",
)
@click.option("--model", default="", metavar="NAME", help="Model; without it the one that has the label.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    help="What to draw, such as sedan; several share the images. Without it labels are drawn from the seeds.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the first image of each label.")
@click.option(
    "--images",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="PATH",
    help="Real images: a file, folder or tar, - for stdin; may be repeated. Of more than --count images the "
    "seed draws that many.",
)
@click.option(
    "--size-px",
    type=click.IntRange(1, 2048),
    metavar="N",
    help="Resize real images to N x N pixels, as models do for training; else they keep their size.",
)
@click.option(
    "--codec",
    "specs",
    multiple=True,
    metavar="SPEC",
    help="Codec and settings instead of the default sweep, as in dct:quality=50,75 or png; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the results; made when it does not exist.  [required]",
)
@connection_options("generator", "compressor")
@click.pass_context
def experiment(
    context: click.Context,
    connection: Connection,
    count: int,
    model: str,
    labels: Sequence[str],
    seed: int,
    paths: Sequence[str],
    size_px: int | None,
    specs: Sequence[str],
    output: Path | None,
) -> None:
    """Compare the codecs on generated and real images.

    Every image goes through every codec and setting. DIR gets results.csv and results.parquet, a row for each
    image and setting, and report.md and report.html with the means, charts and the study's figures beside
    ours. The means are also printed on stdout. What fails is recorded and the rest goes on; the exit code is
    then 1.

    `client experiment report FOLDER` makes such a page of a study that `ganpress-trainer study` trained.

    \b
    client experiment --count 4 --label sedan --images photos.tar -o experiment/
    client experiment --images photos/ --size-px 64 --codec dct:threshold=0.01,0.02 --codec jpeg -o dct/
    """  # noqa: D301 - click keeps the lines after \b as they are
    if context.invoked_subcommand:
        _require_no_options(context)
        return
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    source = open_source(paths, output=f"{output}/") if paths else None
    arguments: dict[str, Any] = {
        "count": count,
        "model": model,
        "label": list(labels),
        "seed": seed,
        "images": list(paths),
        "size-px": size_px,
        "codec": list(specs),
    }

    async def work(client: GanpressClient) -> list[Row]:
        settings = await resolve(client, specs or DEFAULT_SWEEP)
        pictures = await draw(client, model=model, labels=labels, count=count, seed=seed)
        if source:
            pictures += await _real(source, count=count, seed=seed, size_px=size_px)
        cells: list[Cell] = []
        shown = _first_of_each_source(pictures)
        rows: list[Row] = []
        with progress("compressing", len(pictures) * len(settings)) as bar:
            async for cell in measure(client, pictures, settings):
                rows.append(cell.row)
                if cell.picture in shown:
                    cells.append(cell)
                bar.advance()
        strips = [await make_strip(client, [c for c in cells if c.picture is picture]) for picture in shown]
        _write(output, arguments, pictures, rows, [strip for strip in strips if strip])
        return rows

    rows = connection.run(work)
    _print(summarize(rows), has_real=bool(source))
    note(f"results.csv, results.parquet, report.md and report.html are in {output}")
    if failed := [row for row in rows if row.error is not None]:
        first = failed[0]
        raise PartialError(
            f"{len(failed)} of {len(rows)} results failed, first {first.file} with {first.codec} "
            f"{first.setting}: {first.error}"
        )


experiment.add_command(report)


def _require_no_options(context: click.Context) -> None:
    """Refuses options of an experiment before the name of a subcommand, where they would do nothing."""
    for option in context.command.params:
        if context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option.opts[-1]} does not go with {context.invoked_subcommand}.")


async def _real(source: Source, *, count: int, seed: int, size_px: int | None) -> list[Picture]:
    pictures = await choose(in_background(source), count=count, seed=seed)
    if not pictures:
        raise InputError(f"there are no images in what --images names ({source.skipped} other files)")
    if len(pictures) < count:
        note(f"note: {len(pictures)} of the {count} real images: there are no more")
    return await resize(pictures, size_px) if size_px else pictures


def _first_of_each_source(pictures: Sequence[Picture]) -> list[Picture]:
    first: dict[str, Picture] = {}
    for picture in pictures:
        if not picture.error:
            first.setdefault(picture.source, picture)
    return list(first.values())


def _write(
    folder: Path,
    arguments: dict[str, Any],
    pictures: Sequence[Picture],
    rows: Sequence[Row],
    strips: list[Strip],
) -> None:
    lines = summarize(rows)
    charts = draw_charts(lines)
    content = write_report(
        pictures=pictures,
        rows=rows,
        lines=lines,
        charts=charts,
        strips=strips,
        command=_command(arguments),
        version=GANPRESS_VERSION,
        size_px=arguments["size-px"],
    )
    files = {
        "results.csv": to_csv(rows),
        "results.parquet": to_parquet(rows, arguments),
        **{f"chart-{source}.svg": svg.encode() for source, svg in charts.items()},
        "report.md": to_markdown(content).encode(),
        "report.html": to_html(content).encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        with atomic_file(folder / name) as file:
            file.write(data)


def _command(arguments: dict[str, Any]) -> str:
    """Returns the command line that gives the same results."""
    words = ["client", "experiment"]
    for name, value in arguments.items():
        values = cast("list[Any]", value) if isinstance(value, list) else [value]
        words += [word for one in values if one not in (None, "") for word in (f"--{name}", str(one))]
    return shlex.join(words)


def _print(lines: Sequence[Line], *, has_real: bool) -> None:
    titles = [
        f"{source}:\n{title}"
        for source in ("generated", "real")[: 1 + has_real]
        for title in ("smaller by", "bpp", "PSNR")
    ]
    rows = [
        [
            f"{line.codec} {line.setting}",
            *_compact(line.generated),
            *(_compact(line.real) if has_real else []),
        ]
        for line in lines
    ]
    print_table(["setting", *titles], rows)


def _compact(means: Means | None) -> list[str]:
    if not means:
        return ["", "", ""]
    rate, psnr = f"{means.bits_per_pixel:6.3f}", f"{psnr_text(means.psnr_db):>5}"
    return [f"{means.reduction_percent:8.2f} %", rate, psnr]

"""`client compare`: all codecs on one image, at equal size or quality."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from client.api import GanpressClient
from client.background import call_in_background
from client.comparison import Comparison, Entry, Missed, default_goal, pictures, ranked, searchable
from client.comparison import compare as compare_codecs
from client.comparison_page import HEADS, table_row, to_html
from client.errors import InputError, PartialError
from client.options import PLACE, Connection, complete_codec, connection_options, force_option, json_option
from client.outputs import open_file
from client.records import size_text
from client.request_options import Reading, Target, goal_options, reading_options
from client.samples import Sample
from client.tables import print_table
from client.terminal import note, open_source, progress


@click.command(short_help="Compare all codecs on one image at equal size or quality.")
@click.argument("file", metavar="FILE", type=PLACE)
@click.option(
    "-m",
    "--method",
    "--codec",
    "codecs",
    multiple=True,
    metavar="CODEC",
    shell_complete=complete_codec,
    help="Codec to compare, in place of all that have a setting to search; may be repeated.",
)
@goal_options
@reading_options
@click.option(
    "--html", metavar="PATH", type=PLACE, help="Write a page with a slider between any two results."
)
@force_option
@json_option
@connection_options("compressor")
def compare(
    connection: Connection,
    file: str,
    codecs: Sequence[str],
    target: Target,
    reading: Reading,
    html: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Compare all codecs on the image FILE at equal size, or at equal quality; - is stdin.

    Without a goal the size is that of the DCT codec by default. The best comes first: at a size, by
    SSIMULACRA2, or PSNR where a side is under 128 pixels; at a quality, by bytes. Codecs that cannot reach
    the goal are named.

    \b
    client compare photo.jpg --target-bytes 60KB --html compare.html
    client compare photo.png --target-ssimulacra2 70 --codec dct --codec avif --codec webp
    """  # noqa: D301 - click keeps the lines after \b as they are

    async def work(client: GanpressClient) -> Comparison:
        sample = await call_in_background(lambda: _one_image(file))
        names = await searchable(client, codecs)
        asked = target.asked or await default_goal(client, sample.image, reading.message)
        found: list[Entry | Missed] = []
        with progress("comparing", len(names)) as bar:
            async for entry in compare_codecs(client, sample.image, names, asked, reading.message):
                found.append(entry)
                bar.advance()
        comparison = ranked(asked, found)
        if html:
            shown = await pictures(client, sample.image, comparison.entries, reading.message)
            page = to_html(sample.name, len(sample.image), comparison, shown)
            with open_file(html, force=force) as opened:
                opened.write(page.encode())
        return comparison

    comparison = connection.run(work)
    _print(comparison, as_json)
    if html:
        note(f"wrote {html}")
    if not comparison.entries:
        raise PartialError("no codec reaches the goal")


def _one_image(file: str) -> Sample:
    source = open_source([file])
    if source.is_stream:
        raise InputError(f"{file} holds several images: one at a time is compared")
    item = next(iter(source))
    if not isinstance(item, Sample):
        raise InputError(f"{item.name}: {item.reason}")
    return item


def _print(comparison: Comparison, as_json: bool) -> None:
    records = [entry.record() for entry in comparison.entries]
    if as_json:
        for record in records:
            click.echo(json.dumps(record))
        for miss in comparison.missed:
            click.echo(json.dumps({"codec": miss.codec, "error": miss.reason}))
        return
    for name, value in comparison.asked.items():
        shown = size_text(int(value)) if name == "target_bytes" else f"{value:g}"
        click.echo(f"{name.replace('_', ' ')}: {shown}\n")
    if records:
        print_table(HEADS, [table_row(record) for record in records])
    for miss in comparison.missed:
        note(f"{miss.codec}: {miss.reason}")

"""`client decompress`: gives images back as PNG."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import click

from client.api import GanpressClient
from client.background import call_in_background, in_background
from client.errors import GanpressError
from client.options import (
    Connection,
    Wording,
    connection_options,
    inputs_argument,
    output_option,
    wording_options,
)
from client.outputs import Output, open_sink, output_path
from client.report import Report, size_text
from client.samples import Sample
from client.terminal import open_source, progress


@click.command(short_help="Give compressed images back as PNG.")
@inputs_argument
@output_option
@wording_options
@connection_options("compressor")
def decompress(
    connection: Connection,
    inputs: Sequence[Path],
    output: str | None,
    wording: Wording,
) -> None:
    """Give compressed images back as PNG.

    INPUTS are files that `client compress` wrote or any image files, folders and tars; without any, stdin is
    a file or a tar. One image becomes a PNG; a tar, a folder or several files become a tar of PNGs, or files
    in a folder with the same names.

    \b
    client decompress photo.gpc -o photo.png
    client decompress small.tar -o back/
    """  # noqa: D301 - click keeps the lines after \b as they are

    async def work(client: GanpressClient) -> Report:
        if not inputs:
            await client.ready("compressor")  # while the command before the pipe is at work
        source = await call_in_background(lambda: open_source(inputs, output=output))
        report = Report(source, "decompressed", wording, images_on_stdout=output_path(output) is None)
        under_way: dict[str, Sample] = {}

        async def files() -> AsyncIterator[tuple[str, bytes]]:
            async for item in in_background(source):
                if isinstance(item, Sample):
                    under_way[item.key] = item
                    yield item.key, item.image
                else:
                    report.fail(item.name, item.reason)

        with (
            open_sink(output, is_stream=source.is_stream) as sink,
            progress("decompressing", source.total) as bar,
        ):
            async for outcome in client.decompress_many(files()):
                sample, result = under_way.pop(outcome.key), outcome.result
                bar.advance()
                if isinstance(result, GanpressError):
                    report.fail(sample.name, result)
                    continue
                sink.add(Output(sample.key, ".png", result.image, sample.companions, sample.path))
                record = {
                    "codec": result.codec,
                    "width_px": result.size.width_px,
                    "height_px": result.size.height_px,
                    "channels": result.size.channels,
                    "input_bytes": len(sample.image),
                    "output_bytes": len(result.image),
                }
                size = f"{result.size.width_px}x{result.size.height_px}"
                report.done(sample, f"{size} {result.codec} of {size_text(len(sample.image))}", record)
            report.check_any()
        return report

    connection.run(work).finish()

"""`client evaluate`: what images have lost."""

from __future__ import annotations

import json
import os
from contextlib import aclosing

import click
from ganpress.v1.compressor_service_pb2 import EvaluateResponse

from client import scores
from client.api import GanpressClient
from client.background import in_background
from client.errors import GanpressError, InputError, PartialError, UnreachableError
from client.options import PLACE, Connection, connection_options, json_option
from client.pairs import Pair, pairs
from client.records import size_change
from client.request_options import Reading, jobs_option, reading_options
from client.samples import Rejected, Source
from client.terminal import note, progress
from services.common.streams import in_order


@click.command(short_help="Measure what images have lost.")
@click.argument("originals", metavar="A", type=PLACE)
@click.argument("results", metavar="B", type=PLACE)
@click.option("-q", "--quiet", is_flag=True, help="The means of several pairs alone.")
@json_option
@reading_options
@jobs_option
@connection_options("compressor")
def evaluate(
    connection: Connection,
    originals: str,
    results: str,
    quiet: bool,
    as_json: bool,
    reading: Reading,
    jobs: int | None,
) -> None:
    """Measure what the images in B have lost of those in A: PSNR, PSNR of luma, SSIM, MS-SSIM, SSIMULACRA2.

    A and B are image or GanPress files, or folders, patterns, tars, archives and URLs, whose images are
    paired by their paths without extensions. What has no partner is named, and the exit code is 1.

    \b
    client evaluate photo.jpg photo.gpc
    client evaluate photos/ small/ --json
    client evaluate cars.tar back.tar -q
    """  # noqa: D301 - click keeps the lines after \b as they are

    async def work(client: GanpressClient) -> _Totals:
        first, second = Source.of_paths([originals]), Source.of_paths([results])
        if first.is_stream != second.is_stream:
            raise InputError(
                f"{originals} and {results} are no pair: one is an image, the other holds several"
            )
        totals = _Totals(is_many=first.is_stream, as_json=as_json, quiet=quiet)
        outcomes = in_order(
            in_background(pairs(first, second)),
            lambda item: _measured(client, item, reading),
            jobs or os.cpu_count() or 1,
        )
        with progress("measuring", first.total) as bar:
            async with aclosing(outcomes):
                async for item, answer in outcomes:
                    bar.advance()
                    totals.add(item, answer)
        return totals

    connection.run(work, jobs=jobs).finish()


async def _measured(
    client: GanpressClient, item: Pair | Rejected, reading: Reading
) -> tuple[Pair | Rejected, EvaluateResponse | str]:
    if isinstance(item, Rejected):
        return item, item.reason
    try:
        return item, await client.evaluate(item.original.image, item.result.image, reading=reading.message)
    except UnreachableError:
        raise  # nothing more will be measured
    except GanpressError as error:
        return item, str(error)


class _Totals:
    """Tells of each pair as it comes, and sums up."""

    def __init__(self, *, is_many: bool, as_json: bool, quiet: bool) -> None:
        self._is_many = is_many
        self._as_json = as_json
        self._quiet = quiet
        self._answers: list[EvaluateResponse] = []
        self._original_bytes = self._result_bytes = self._failed = 0

    def add(self, item: Pair | Rejected, answer: EvaluateResponse | str) -> None:
        name = item.name if isinstance(item, Rejected) else item.result.name
        if isinstance(item, Rejected) or isinstance(answer, str):
            if not self._is_many:
                raise InputError(f"{name}: {answer}")
            self._failed += 1
            note(f"error: {name}: {answer}")
            if self._as_json:
                click.echo(json.dumps({"name": name, "error": str(answer)}))
            return
        sizes = len(item.original.image), len(item.result.image)
        self._original_bytes += sizes[0]
        self._result_bytes += sizes[1]
        self._answers.append(answer)
        if self._as_json:
            names = {"name": name, "original": item.original.name}
            click.echo(json.dumps(names | scores.record(answer, *sizes)))
        elif not (self._quiet and self._is_many):
            click.echo(f"{name}: {scores.describe(answer, *sizes)}")

    def finish(self) -> None:
        if self._is_many and not self._answers and not self._failed:
            raise InputError("there are no images in the input")
        if self._is_many:
            self._print_totals()
        if self._failed:
            count = self._failed + len(self._answers)
            raise PartialError(f"{self._failed} of {count} images failed, as named above")

    def _print_totals(self) -> None:
        means = scores.means(self._answers)
        if self._as_json:
            summary = {
                "done": len(self._answers),
                "failed": self._failed,
                "original_bytes": self._original_bytes,
                "result_bytes": self._result_bytes,
                "mean": means,
            }
            click.echo(json.dumps({"summary": summary}))
        elif self._answers:
            sizes = size_change(self._original_bytes, self._result_bytes)
            told = ", ".join(scores.words(name, value) for name, value in means.items()) or "all identical"
            click.echo(f"{len(self._answers)} pairs, {sizes}, mean {told}")

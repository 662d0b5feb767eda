"""`client compress`: makes images small."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import click
from ganpress.v1.compressor_service_pb2 import CompressRequest

from client import sidecar
from client.api import Compressed, GanpressClient, compress_request
from client.background import call_in_background
from client.batch import Batch
from client.codec_options import ALIASES, AUTO, OptionValue, options_given
from client.embedded import ServiceName
from client.errors import GanpressError, InputError, ServiceError
from client.options import (
    Connection,
    Wording,
    complete_codec,
    connection_options,
    force_option,
    inputs_argument,
    output_option,
    resume_option,
    wording_options,
)
from client.outputs import Output, is_stdout, open_sink
from client.records import compression_record, describe
from client.report import Report
from client.request_options import Reading, Target, goal_options, jobs_option, reading_options
from client.resuming import compressed_before, digest
from client.samples import Sample
from client.terminal import note, open_source, progress


@click.command(short_help="Compress images.")
@inputs_argument
@click.option(
    "-m",
    "--method",
    "--codec",
    "method",
    default="dct",
    show_default=True,
    metavar="CODEC",
    shell_complete=complete_codec,
    help="Codec, as `client codecs` lists them; auto, for whichever is best at a goal; or seed, for images "
    "from `client generate`.",
)
@goal_options
@click.option("--quality", metavar="N", help="Quality, of the codecs that have one.")
@click.option("--threshold", metavar="SHARE", help="DCT: drop coefficients below this share of the largest.")
@click.option("--k", metavar="N", help="k-means: number of colours.")
@click.option("--dither", metavar="SHARE", help="k-means: strength of error diffusion, 0 to 1.")
@click.option("--pack", is_flag=True, help="k-means: a packed file, smaller than PNG.")
@click.option(
    "--resize", metavar="SHARE", help="Pillow's formats: make both sides smaller by this factor first."
)
@click.option(
    "-p",
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any option of the codec; may be repeated. Of auto: codecs=webp,avif and judged_by=ssimulacra2.",
)
@reading_options
@click.option("--metrics/--no-metrics", default=True, help="Measure PSNR and SSIM, which costs a decode.")
@output_option
@force_option
@resume_option
@jobs_option
@wording_options
@connection_options("generator", "compressor")
def compress(
    connection: Connection,
    inputs: Sequence[str],
    method: str,
    quality: str | None,
    threshold: str | None,
    k: str | None,
    dither: str | None,
    pack: bool,
    resize: str | None,
    params: Sequence[str],
    target: Target,
    reading: Reading,
    metrics: bool,
    output: str | None,
    force: bool,
    resume: bool,
    jobs: int | None,
    wording: Wording,
) -> None:
    """Compress images.

    INPUTS are image files, folders, patterns such as 'photos/**/*.jpg', tars, archives and URLs; without any,
    stdin is an image or a tar. One image becomes the codec's file; several become a tar, or files in a folder
    with the same names and tree. An image that fails is named, the others are compressed, and the exit code
    is 1.

    \b
    client compress photo.jpg --method dct --threshold 0.02 -o photo.gpc
    client compress photos/ --method webp --quality 80 -o small/
    client compress photo.jpg --codec auto --target-bytes 60KB -o small/
    tar c *.jpg | client compress --method kmeans --k 64 -o small.tar
    client generate --label suv -n 100 | client compress --method seed -o suvs.tar
    """  # noqa: D301 - click keeps the lines after \b as they are
    given = {
        "quality": quality,
        "threshold": threshold,
        "k": k,
        "dither": dither,
        "resize": resize,
        "pack": "true" if pack else None,
    }
    options: dict[str, OptionValue] = {name: value for name, value in given.items() if value is not None}
    options |= dict(map(_parse_param, params))

    async def work(client: GanpressClient) -> Report:
        compressing = await _compressing(client, method, options, target, reading, metrics=metrics)
        if not inputs:
            await client.ready(compressing.service)  # while the command before the pipe is at work
        asked = {"method": method, "options": options, **target.asked, **reading.asked}
        is_done = compressed_before(output, asked) if resume else None
        source = await call_in_background(lambda: open_source(inputs, output=output))
        report = Report(source, "compressed", wording, images_on_stdout=is_stdout(output))
        batch = Batch(source, report, is_done)
        try:
            with (
                open_sink(output, is_stream=source.is_stream, total=source.total, force=force) as sink,
                progress("compressing", source.total) as bar,
            ):
                async for outcome in compressing.outcomes(batch.samples()):
                    sample, result = batch.take(outcome.key), outcome.result
                    bar.advance()
                    try:
                        if isinstance(result, GanpressError):
                            raise result
                        record = compression_record(result, compressing.given)
                        record |= {"asked": asked, "input_sha256": digest(sample.image)}
                        companions = _with_record(sample, record)
                        sink.add(
                            Output(sample.key, result.file_extension, result.data, companions, sample.path)
                        )
                    except (InputError, ServiceError) as error:
                        report.fail(sample.name, error)
                        continue
                    report.measured(result)
                    report.done(sample, describe(result, compressing.given), record)
                report.check_any()
        except GanpressError:
            report.break_off()
            raise
        return report

    connection.run(work, jobs=jobs).finish()


@dataclass(frozen=True)
class _Compressing:
    """How samples become outcomes."""

    service: ServiceName
    """What is needed for it."""
    given: dict[str, OptionValue]
    """Options that were given."""
    outcomes: Callable[[AsyncIterator[Sample]], AsyncIterator[Compressed]]
    """Compresses samples; the outcomes have their keys."""


async def _compressing(
    client: GanpressClient,
    method: str,
    options: dict[str, OptionValue],
    target: Target,
    reading: Reading,
    *,
    metrics: bool,
) -> _Compressing:
    """Returns what a method does, its options checked."""
    if method == "seed":
        from client.seeds import (
            compress_by_seed,
            quality_of,
        )  # loads the codecs, which others leave to a service

        for asked in (*target.asked, *reading.asked):
            raise InputError(f"the seed codec keeps the image that was generated: it takes no {asked}")
        quality = quality_of(options)
        by_seed = partial(compress_by_seed, client, quality=quality, metrics=metrics)
        return _Compressing("generator", {} if quality is None else {"quality": quality}, by_seed)
    await _check_goal(client, method, options, target)
    message = await client.codec_options(method, options)

    async def requests(samples: AsyncIterator[Sample]) -> AsyncIterator[tuple[str, CompressRequest]]:
        async for sample in samples:
            yield (
                sample.key,
                compress_request(
                    sample.image,
                    message,
                    skip_metrics=not metrics,
                    goal=target.message,
                    reading=reading.message,
                ),
            )

    return _Compressing(
        "compressor", options_given(message), lambda samples: client.compress_many(requests(samples))
    )


async def _check_goal(
    client: GanpressClient, method: str, options: dict[str, OptionValue], target: Target
) -> None:
    """Says once, not for each image, what goals do not go with."""
    if method == AUTO and not target.asked:
        raise InputError("auto needs a goal, by which the codecs are compared: give one of --target-...")
    if not target.asked or not options:
        return
    for codec in (await client.list_codecs()).codecs:
        if codec.name == ALIASES.get(method, method) and codec.goal_setting in options:
            name = codec.goal_setting
            raise InputError(f"{codec.name} option {name} and a goal exclude each other: it searches {name}")


def _with_record(sample: Sample, record: dict[str, object]) -> dict[str, bytes]:
    """Returns the sample's companions, the sidecar with what was done added."""
    fields: dict[str, object] = {}
    if existing := sample.companions.get(sidecar.EXTENSION):
        try:
            fields = sidecar.parse(existing)
        except InputError as error:
            note(f"warning: {sample.name}: {error}: carried over as it is")
            return sample.companions
    return {**sample.companions, sidecar.EXTENSION: sidecar.dump({**fields, "compression": record})}


def _parse_param(param: str) -> tuple[str, str]:
    name, equals, value = param.partition("=")
    if not (name and equals):
        raise InputError(f"{param!r} is not NAME=VALUE, such as quality=85")
    return name.strip(), value.strip()

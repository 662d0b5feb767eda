"""Puts every image through every setting."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from ganpress.v1.compressor_service_pb2 import CompressRequest, CompressResponse

from client.api import GanpressClient, compress_request
from client.errors import GanpressError
from client.experiment.pictures import Picture
from client.experiment.results import Row
from client.experiment.sweep import Setting


@dataclass(frozen=True)
class Cell:
    """The outcome of one image under one setting."""

    picture: Picture
    """The image."""
    row: Row
    """What was measured, or the error."""
    data: bytes
    """The compressed file; empty on an error."""


async def measure(
    client: GanpressClient, pictures: Sequence[Picture], settings: Sequence[Setting]
) -> AsyncIterator[Cell]:
    """Yields a cell for every image and setting: the images in their order, for each all settings in theirs.

    A cell that fails holds its error; the others go on. A few cells are under way at a time.

    Raises:
        GanpressError: The compressor cannot be reached.
    """
    cells = [(picture, setting) for picture in pictures for setting in settings]

    async def requests() -> AsyncIterator[tuple[str, CompressRequest]]:
        for picture, setting in cells:
            if not picture.error:
                yield "", compress_request(picture.data, setting.message)

    outcomes = client.compress_many(requests())
    for picture, setting in cells:
        if picture.error:
            yield Cell(picture, replace(_named(picture, setting), error=picture.error), b"")
            continue
        result = (await anext(outcomes)).result
        if isinstance(result, GanpressError):
            yield Cell(picture, replace(_named(picture, setting), error=str(result)), b"")
        else:
            yield Cell(picture, _measured(picture, setting, result), result.data)
    await anext(outcomes, None)  # every answer is here: lets the stream end


def _named(picture: Picture, setting: Setting) -> Row:
    return Row(
        source=picture.source,
        model=picture.model,
        model_digest=picture.model_digest,
        label=picture.label,
        seed=picture.seed,
        file=picture.file,
        codec=setting.codec,
        technique=setting.technique,
        setting=setting.text,
    )


def _measured(picture: Picture, setting: Setting, response: CompressResponse) -> Row:
    stats = response.stats
    return replace(
        _named(picture, setting),
        width_px=stats.size.width_px,
        height_px=stats.size.height_px,
        input_bytes=stats.input_bytes,
        raw_bytes=stats.raw_bytes,
        output_bytes=stats.output_bytes,
        reduction_percent=100 * (1 - stats.output_bytes / stats.input_bytes),
        ratio=stats.ratio,
        bits_per_pixel=stats.bits_per_pixel,
        psnr_db=stats.psnr_db if stats.HasField("psnr_db") else None,
        ssim=stats.ssim if stats.HasField("ssim") else None,
        encode_ms=stats.encode_ms,
        decode_ms=stats.decode_ms,
        output_sha256=hashlib.sha256(response.data).hexdigest(),
    )

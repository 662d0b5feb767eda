"""Generated images by their seeds: the generator and the seed codec put together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from ganpress.v1.compressor_service_pb2 import CompressionStats, CompressResponse
from ganpress.v1.image_pb2 import ImageSize

from client import sidecar
from client.api import Compressed, GanpressClient
from client.codec_options import OptionValue
from client.errors import GanpressError, InputError, UnreachableError
from client.inspection import inspect_image
from client.samples import Sample
from services.common.streams import in_order
from services.compressor.codecs import (
    CodecError,
    Pixels,
    bits_per_pixel,
    codec_class,
    decode,
    identify,
    psnr,
    ssim,
)
from services.compressor.codecs.seed import Origin, SeedCodec

METHOD = SeedCodec.id
_UNDER_WAY = 4
_SIDECAR_NAMES = {"digest": "model_digest"}
"""Names of a sidecar's fields that an image file calls otherwise."""


def quality_of(options: Mapping[str, OptionValue]) -> int | None:
    """Returns the one option, the quality of what was edited, None when it is not given.

    Raises:
        InputError: There is another option, or the value is none.
    """
    for name in options:
        if name != "quality":
            raise InputError(f"codec {METHOD} has no option {name!r}: its options are quality")
    if "quality" not in options:
        return None
    value = str(options["quality"])
    if not value.isdecimal() or not 1 <= int(value) <= 100:
        raise InputError(f"{METHOD} option quality takes 1..100, not {value!r}")
    return int(value)


async def compress_by_seed(
    client: GanpressClient,
    samples: AsyncIterator[Sample],
    *,
    quality: int | None = None,
    metrics: bool = True,
) -> AsyncIterator[Compressed]:
    """Stores generated images by their seeds: one outcome for each, in their order, with the sample's key.

    Args:
        client: What reaches the generator that regenerates them.
        samples: Images whose sidecar, or file, says what they come from.
        quality: Of the DCT codec for images that were edited.
        metrics: Measure PSNR and SSIM.
    """

    async def answer(sample: Sample) -> Compressed:
        try:
            return Compressed(sample.key, await _compress(client, sample, quality, metrics))
        except UnreachableError:
            raise  # nothing more will be regenerated
        except CodecError as error:
            return Compressed(sample.key, InputError(str(error)))
        except GanpressError as error:
            return Compressed(sample.key, error)

    async with aclosing(in_order(samples, answer, _UNDER_WAY)) as outcomes:
        async for outcome in outcomes:
            yield outcome


def origin_of(sample: Sample) -> Origin:
    """Returns what names a generated image, by its sidecar or, without one, by its file.

    Raises:
        InputError: It says nothing of the kind, or the image has more than one seed or label.
    """
    companion = sample.companions.get(sidecar.EXTENSION)
    fields = sidecar.parse(companion) if companion else {}
    if "model_digest" not in fields:
        provenance = inspect_image(sample.image).provenance
        fields = {_SIDECAR_NAMES.get(name, name): _parsed(value) for name, value in provenance.items()}
    if "model_digest" not in fields or "seed" not in fields:
        raise InputError(
            "it does not say from which model and seed it comes: images from `client generate` do, in the "
            "file or in a .json file beside it"
        )
    for name, what in (("label_mix", "a mix of labels"), ("to_seed", "the way between two seeds")):
        if name in fields:
            raise InputError(f"it is an image of {what}: those of one label and one seed can be stored")
    seed, truncation = fields["seed"], fields.get("truncation", 1.0)
    if not isinstance(seed, int) or not isinstance(truncation, int | float):
        raise InputError(f"its seed and truncation have to be numbers, not {seed!r} and {truncation!r}")
    return Origin(str(fields["model_digest"]), str(fields.get("label", "")), seed, float(truncation))


async def _compress(
    client: GanpressClient, sample: Sample, quality: int | None, metrics: bool
) -> CompressResponse:
    origin = origin_of(sample)
    values = await client.regenerate(origin)
    codec = SeedCodec(lambda _: values, quality=quality)

    def work() -> CompressResponse:
        image = decode(sample.image)
        data = codec.encode(image, origin)
        codec_id = identify(data)
        decoded = codec.decode(data) if codec_id == METHOD else decode(data)
        return CompressResponse(
            data=data,
            codec=codec_id,
            media_type=codec_class("dct").media_type,
            file_extension=codec.file_extension,
            stats=_stats(sample, image, data, decoded if metrics else None),
        )

    return await asyncio.to_thread(work)


def _stats(sample: Sample, image: Pixels, data: bytes, decoded: Pixels | None) -> CompressionStats:
    height_px, width_px, channels = image.shape
    stats = CompressionStats(
        size=ImageSize(width_px=width_px, height_px=height_px, channels=channels),
        input_bytes=len(sample.image),
        raw_bytes=image.size,
        output_bytes=len(data),
        ratio=len(sample.image) / len(data),
        bits_per_pixel=bits_per_pixel(len(data), image),
    )
    if decoded is not None:
        stats.psnr_db = psnr(image, decoded)
        if (similarity := ssim(image, decoded)) is not None:
            stats.ssim = similarity
    return stats


def _parsed(value: str) -> Any:
    """Returns a field of a file, whose numbers and tables are JSON and whose words are not."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value

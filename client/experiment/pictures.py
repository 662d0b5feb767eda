"""The images of an experiment: generated ones and real ones."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from client import sidecar
from client.api import GanpressClient
from client.errors import InputError
from client.images import to_png
from client.samples import Rejected, Sample
from services.compressor.codecs import CodecError, decode

SourceName = Literal["generated", "real"]


@dataclass(frozen=True)
class Picture:
    """One image that goes through every setting."""

    source: SourceName
    """Whether a generator drew it."""
    file: str
    """What the user calls it: a path, a member's name, or the name `client generate` would give it."""
    data: bytes = b""
    """The image file; empty when there is an error."""
    model: str | None = None
    """Model that drew it."""
    model_digest: str | None = None
    """Digest of that model."""
    label: str | None = None
    """Label it was drawn with, or the one that the .json file beside a real image names."""
    seed: int | None = None
    """Seed it was drawn from."""
    error: str | None = None
    """Why it cannot be used, None when it can."""


async def draw(
    client: GanpressClient, *, model: str, labels: Sequence[str], count: int, seed: int
) -> list[Picture]:
    """Draws generated images.

    Args:
        client: Calls the generator.
        model: Model name; empty takes the one that has the label, or the server's default.
        labels: Labels, which share the images as equally as can be, the first ones with one more; none
            leaves the label of each image to its seed.
        count: How many images in all.
        seed: Seed of each label's first image.

    Raises:
        GanpressError: There are more labels than images, or the generator refuses.
    """
    wanted = list(dict.fromkeys(labels)) or [""]
    if count < len(wanted):
        raise InputError(f"--count {count} is too few for {len(wanted)} labels: each needs an image")
    pictures: list[Picture] = []
    for number, label in enumerate(wanted):
        share = count // len(wanted) + (number < count % len(wanted))
        async for image in client.generate(model=model, label=label, count=share, seed=seed):
            picture = Picture(
                "generated",
                f"{sidecar.key_of_generated(image)}.png",
                image.data,
                model=image.model,
                model_digest=image.model_digest,
                label=image.label or None,
                seed=image.seed,
            )
            pictures.append(picture)
    return pictures


async def choose(items: AsyncIterable[Sample | Rejected], *, count: int, seed: int) -> list[Picture]:
    """Returns `count` of the images, drawn by the seed, in their order; all when there are fewer.

    The input is read once and never held whole.
    """
    generator = random.Random(seed)  # noqa: S311 - a fair draw, no secret
    chosen: list[Picture] = []
    seen = 0
    async for item in items:
        seen += 1
        # Vitter's algorithm R; a newcomer goes to the end, so that the order stays that of the input.
        if seen > count:
            place = generator.randrange(seen)
            if place >= count:
                continue
            del chosen[place]
        chosen.append(_picture(item))
    return chosen


async def resize(pictures: Sequence[Picture], size_px: int) -> list[Picture]:
    """Returns the images as PNG files of size_px x size_px, squeezed to the square as for training."""
    return [await asyncio.to_thread(_resized, picture, size_px) for picture in pictures]


def _picture(item: Sample | Rejected) -> Picture:
    if isinstance(item, Rejected):
        return Picture("real", item.name, error=item.reason)
    return Picture("real", item.name, item.image, label=_label(item))


def _label(sample: Sample) -> str | None:
    try:
        fields = sidecar.parse(sample.companions.get(sidecar.EXTENSION, b"{}"))
    except InputError:
        return None
    label = fields.get("label")
    return label if isinstance(label, str) and label else None


def _resized(picture: Picture, size_px: int) -> Picture:
    if picture.error:
        return picture
    try:
        pixels = decode(picture.data)
    except CodecError as error:
        return Picture("real", picture.file, label=picture.label, error=str(error))
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    small = image.resize((size_px, size_px), Image.Resampling.LANCZOS)
    return Picture("real", picture.file, to_png(np.asarray(small)), label=picture.label)

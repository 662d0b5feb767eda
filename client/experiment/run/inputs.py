"""The image files that go in: read or drawn, and changed as the plan says."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from client.errors import GanpressError, InputError
from client.experiment.plan.model import GeneratedSource, Grid, RealSource
from client.experiment.plan.perturbation import Perturbation
from client.experiment.run.calls import Calls, ServiceGoneError
from client.experiment.run.data_set import DataSet
from client.experiment.run.items import Images, Item
from client.images import from_png, to_png
from services.compressor.codecs import CodecError, decode

_DRAWN_AT_ONCE = 16


@dataclass(frozen=True)
class Input:
    """One image, ready to go in."""

    item: Item
    """Which image it is; with the label that was drawn, where the plan names none."""
    data: bytes = b""
    """The image file; empty when there is an error."""
    error: str | None = None
    """Why it cannot be used."""
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    """Sizes of this image under the settings that searches compare with, as they become known."""
    searching: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by who finds one of the sizes."""

    def sha256(self) -> str | None:
        """Returns the digest of the file, None when there is none."""
        return hashlib.sha256(self.data).hexdigest() if self.data else None

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """Returns the image as uint8 [H, W, C]."""
        return decode(self.data)


async def load(calls: Calls, images: Images, items: Sequence[Item]) -> AsyncIterator[Input]:
    """Yields the items' images in their order, as they are before any perturbation.

    One that cannot be read or drawn has an error.

    Raises:
        ServiceGoneError: The generator stayed away.
        InputError: The generator has another model now.
    """
    if isinstance(images.source, RealSource):
        for item in items:
            yield await asyncio.to_thread(_read, images.data_set, images.source, item)
        return
    grid = images.source.grid
    step = 1 if grid else _DRAWN_AT_ONCE
    for start in range(0, len(items), step):
        some = items[start : start + step]
        # One request holds one label.
        for label in dict.fromkeys(item.label for item in some):
            for drawn in await _draw(calls, images, images.source, [i for i in some if i.label == label]):
                yield drawn


async def perturb(given: Input, change: Perturbation) -> Input:
    """Returns the image changed, as PNG."""
    if given.error:
        return given
    data = await asyncio.to_thread(lambda: to_png(_plain(change.apply(given.pixels))))
    return replace(given, data=data, sizes={}, searching=asyncio.Lock())


def _read(data_set: DataSet | None, source: RealSource, item: Item) -> Input:
    try:
        data = data_set.read(item.name) if data_set else b""
        if not data:
            return Input(item, error="the file is empty")
        # Decoded here too, so that a broken image is told once and not by each codec in its way.
        pixels = decode(data)
        if source.size_px:
            small = Image.fromarray(_plain(pixels)).resize(
                (source.size_px, source.size_px), Image.Resampling.LANCZOS
            )
            data = to_png(np.asarray(small))
        elif source.as_png:
            data = to_png(_plain(pixels))
    except CodecError as error:
        return Input(item, error=str(error))
    except Exception as error:  # noqa: BLE001 - whatever the file system of a URL raises
        return Input(item, error=f"cannot be read: {error}")
    return Input(item, data)


async def _draw(calls: Calls, images: Images, source: GeneratedSource, items: Sequence[Item]) -> list[Input]:
    grid = source.grid
    size = grid.rows * grid.columns if grid else 1
    seeds = [seed for item in items for seed in range(item.seed or 0, (item.seed or 0) + size)]

    async def draw() -> list[tuple[bytes, str, str]]:
        stream = calls.client.generate(
            model=images.entry.model or "",
            model_version=images.entry.model_version or 0,
            label=items[0].label or "",
            seeds=seeds,
            truncation=source.truncation,
        )
        return [(image.data, image.label, image.model_digest) async for image in stream]

    try:
        drawn = await calls.patiently(draw)
    except ServiceGoneError:
        raise
    except GanpressError as error:
        return [Input(item, error=str(error)) for item in items]
    if other := {digest for *_, digest in drawn} - {images.entry.model_digest}:
        raise InputError(
            f"the generator has another model {images.entry.model} now: {other.pop()[:12]}, "
            f"not {(images.entry.model_digest or '')[:12]} with which the results began"
        )
    inputs: list[Input] = []
    for number, item in enumerate(items):
        part = drawn[number * size : (number + 1) * size]
        label = item.label or (part[0][1] or None if not grid else None)
        files = [data for data, *_ in part]
        data = await asyncio.to_thread(_file, files, source)
        inputs.append(Input(replace(item, label=label), data))
    return inputs


def _file(files: Sequence[bytes], source: GeneratedSource) -> bytes:
    """Returns the file of one item: as it was drawn, or in a grid, or as JPEG."""
    if not source.grid and not source.jpeg_quality:
        return files[0]
    pixels = _sheet([from_png(file) for file in files], source.grid) if source.grid else from_png(files[0])
    if not source.jpeg_quality:
        return to_png(pixels)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=source.jpeg_quality)
    return file.getvalue()


def _sheet(images: Sequence[NDArray[np.uint8]], grid: Grid) -> NDArray[np.uint8]:
    """Returns the images row by row, with padding around each."""
    height_px, width_px, *channels = images[0].shape
    pad = grid.padding_px
    sheet = np.zeros(
        (grid.rows * (height_px + pad) + pad, grid.columns * (width_px + pad) + pad, *channels), np.uint8
    )
    for place, image in enumerate(images):
        row, column = divmod(place, grid.columns)
        top, left = pad + row * (height_px + pad), pad + column * (width_px + pad)
        sheet[top : top + height_px, left : left + width_px] = image
    return sheet


def _plain(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns a grey image without its axis of one channel, as Pillow wants it."""
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels

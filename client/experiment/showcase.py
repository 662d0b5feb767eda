"""Strips of pictures for the report: an original beside what codecs made of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from client.api import GanpressClient
from client.experiment.measure import Cell
from client.images import from_png, to_png

_SIDE_PX = 192


@dataclass(frozen=True)
class Thumbnail:
    """One picture of a strip."""

    title: str
    """Codec and setting, or "original"."""
    detail: str
    """Its size and quality."""
    png: bytes
    """The picture, or its middle when it is large."""
    width_px: int
    """Width of the picture in `png`."""
    height_px: int
    """Height of the picture in `png`."""


@dataclass(frozen=True)
class Strip:
    """One image: the original first."""

    title: str
    """Which image it is and what is shown of it."""
    thumbnails: list[Thumbnail]
    """At least the original."""

    @property
    def scale(self) -> int:
        """How many times larger than life the pictures can be shown in about 192 pixels."""
        return max(1, _SIDE_PX // max(self.thumbnails[0].width_px, self.thumbnails[0].height_px))


async def make_strip(client: GanpressClient, cells: Sequence[Cell]) -> Strip | None:
    """Returns the strip of one image, from its cells: for each lossy codec the smallest file.

    None when no codec lost anything.
    """
    smallest: dict[str, Cell] = {}
    for cell in cells:
        row = cell.row
        if row.error is None and row.psnr_db is not None and math.isfinite(row.psnr_db):
            best = smallest.setdefault(row.codec, cell)
            smallest[row.codec] = min(best, cell, key=lambda one: len(one.data))
    if not smallest:
        return None
    row = cells[0].row
    data = cells[0].picture.data
    original = await _thumbnail(client, "original", f"{len(data)} bytes", data)
    thumbnails = [original]
    for cell in smallest.values():
        detail = f"{len(cell.data)} bytes, {cell.row.psnr_db:.2f} dB"
        title = f"{cell.row.codec} {cell.row.setting}"
        thumbnails.append(await _thumbnail(client, title, detail, cell.data))
    title = f"{row.source.capitalize()} image {row.file}, {row.width_px}x{row.height_px}"
    is_part = (original.width_px, original.height_px) != (row.width_px, row.height_px)
    part = f", the middle {original.width_px}x{original.height_px} pixels" if is_part else ""
    return Strip(title + part, thumbnails)


async def _thumbnail(client: GanpressClient, title: str, detail: str, data: bytes) -> Thumbnail:
    pixels = from_png((await client.decompress(data)).image)
    height_px, width_px = pixels.shape[:2]
    top, left = max(height_px - _SIDE_PX, 0) // 2, max(width_px - _SIDE_PX, 0) // 2
    middle = pixels[top : top + _SIDE_PX, left : left + _SIDE_PX]
    return Thumbnail(title, detail, to_png(middle), middle.shape[1], middle.shape[0])

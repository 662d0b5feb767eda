"""The images that are compressed."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from services.compressor.codecs import CodecError, Pixels, decode, resized


def read_images(source: Path, most: int) -> list[Pixels]:
    """Returns the first images of a folder or a tar archive by name, as RGB; other files are passed over."""
    return list(islice(_images(source), most))


def small_images(images: list[Pixels], side_px: int) -> list[Pixels]:
    """Returns the middle squares of images, scaled to a side."""
    small: list[Pixels] = []
    for image in images:
        height_px, width_px, _ = image.shape
        side = min(height_px, width_px)
        top, left = (height_px - side) // 2, (width_px - side) // 2
        small.append(resized(image[top : top + side, left : left + side], side_px, side_px))
    return small


def _images(source: Path) -> Iterator[Pixels]:
    for data in _files(source):
        try:
            image = decode(data)
        except CodecError:
            continue
        yield image.repeat(3, axis=2) if image.shape[2] == 1 else np.ascontiguousarray(image[..., :3])


def _files(source: Path) -> Iterator[bytes]:
    if source.is_dir():
        yield from (path.read_bytes() for path in sorted(source.rglob("*")) if path.is_file())
        return
    with tarfile.open(source) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            if file := archive.extractfile(member):
                yield file.read()

"""Trains the prior of repacking: `python scripts/train_repack_prior.py ../shared/data`.

Codes JPEGs of photographs one after the other with one state and keeps that state: files of cars.tar,
dogs.tar and photos.tar, and reduced or cropped photographs at several qualities. Kodak's images are not
among them.
"""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from services.compressor.codecs import DEFAULT_MAX_PIXELS
from services.compressor.codecs.coding import new_encoder
from services.compressor.codecs.repack import coefficients, prior, space
from services.compressor.codecs.repack.file import parse, take_apart

_SUBSAMPLINGS = (2, 2, 0)
_QUALITIES = (50, 60, 75, 85, 90, 95)


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Trains and writes the prior."""
    files = _files(folder, random.Random(1))  # noqa: S311
    state = space.new_coding(new_encoder(), np.empty(1 << 22, np.uint8), is_trained=False)
    for data in files:
        skeleton, _, values = take_apart(data, DEFAULT_MAX_PIXELS)
        parsed = parse(skeleton, DEFAULT_MAX_PIXELS)
        coding = state._replace(coder=new_encoder())
        coefficients.code_frame(coding, parsed.frame, parsed.quantisers, values)
    prior.write(state.models, state.weights)
    click.echo(f"{len(files)} files, {prior.PATH.stat().st_size} bytes")


def _files(folder: Path, chance: random.Random) -> list[bytes]:
    files = _read(folder / "cars.tar", "train/", 250, chance) + _read(
        folder / "dogs.tar", "train/", 150, chance
    )
    for i, data in enumerate(_read(folder / "cars.tar", "train/", 200, chance)):
        files.append(_jpeg(_image(data), 0.5, i))
    photographs = _read(folder / "photos.tar", "", 40, chance)
    files += photographs[:20]
    for i, data in enumerate(photographs[20:]):
        files.append(_jpeg(_image(data), 0.67, i))
    for data in _read(folder / "lossless-extra.tar", "", 6, chance):
        files += [_jpeg(_image(data).crop((64, 64, 448, 400)), 1, i) for i in range(4)]
    chance.shuffle(files)
    return files


def _read(path: Path, prefix: str, count: int, chance: random.Random) -> list[bytes]:
    with tarfile.open(path) as tar:
        names = [n for n in tar.getnames() if n.startswith(prefix) and n.endswith((".jpg", ".png"))]
        opened: list[Any] = [tar.extractfile(name) for name in chance.sample(names, count)]
        return [file.read() for file in opened]


def _image(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def _jpeg(image: Image.Image, scale: float, number: int) -> bytes:
    size = round(image.width * scale), round(image.height * scale)
    buffer = io.BytesIO()
    quality, subsampling = _QUALITIES[number % 6], _SUBSAMPLINGS[number % 3]
    image.resize(size, Image.Resampling.LANCZOS).save(
        buffer, "JPEG", quality=quality, subsampling=subsampling
    )
    return buffer.getvalue()


if __name__ == "__main__":
    main()

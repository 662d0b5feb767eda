"""Repacks JPEGs of photographs: `python benchmarks/repack.py ../shared/data/kodak.tar --images 2`.

For each quality and kind of JPEG that libjpeg-turbo writes: bytes before and after, their change, megapixels
a second of CPU time on one thread, packing (with the unpacking that it tries) and unpacking.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from time import process_time
from typing import Any

import click
from PIL import Image

from services.compressor.codecs import repack

_KINDS: dict[str, dict[str, Any]] = {
    "default": {},
    "optimised": {"optimize": True},
    "progressive": {"progressive": True},
}


@click.command(help=__doc__)
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--images", default=2, show_default=True, help="How many images of the archive.")
@click.option("--under", default="", help="Only images whose name begins so, as test/.")
@click.option("--as-found", is_flag=True, help="Repack the archive's own JPEGs instead of making some.")
def main(archive: Path, images: int, under: str, as_found: bool) -> None:
    """Prints a row a kind."""
    files = _read(archive, under, images)
    repack.pack(_jpeg(files[0], quality=50, progressive=True))  # compiles, or loads what is compiled
    if as_found:
        _print("as found", files)
        return
    for quality in (50, 75, 90):
        for kind, options in _KINDS.items():
            _print(f"{kind}, quality {quality}", [_jpeg(file, quality=quality, **options) for file in files])


def _read(archive: Path, under: str, count: int) -> list[bytes]:
    with tarfile.open(archive) as tar:
        names = [n for n in tar.getnames() if n.startswith(under) and n.endswith((".png", ".jpg"))]
        step = max(1, len(names) // count)
        opened: list[Any] = [tar.extractfile(name) for name in names[::step][:count]]
        return [file.read() for file in opened]


def _jpeg(data: bytes, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _print(name: str, jpegs: list[bytes]) -> None:
    start_s = process_time()
    packed = [repack.pack(jpeg) for jpeg in jpegs]
    packed_s = process_time()
    unpacked = [repack.unpack(file) for file in packed]
    end_s = process_time()
    assert unpacked == jpegs
    megapixels = sum(image.width * image.height for image in map(_open, jpegs)) / 1e6
    before, after = sum(map(len, jpegs)), sum(map(len, packed))
    speeds = f"{megapixels / (packed_s - start_s):.2f} | {megapixels / (end_s - packed_s):.2f}"
    click.echo(f"| {name} | {before} | {after} | {100 * (after / before - 1):.1f} % | {speeds} |")


def _open(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg))


if __name__ == "__main__":
    main()

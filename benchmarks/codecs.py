"""Compares the codecs on photographs: `python benchmarks/codecs.py [--images 4] [FOLDER or TAR]`.

Every codec goes through the same steps on one thread. A row gives means over the images: bits per pixel,
PSNR, SSIM, and the speeds of encoding and decoding, each the median of several runs. Three columns set it
beside libjpeg-turbo (quality 85, 4:2:0, optimised) in the same run: `size` is the file's size over that of a
JPEG of the same PSNR (geometric mean; "-" where no quality of JPEG has it), `enc x` and `dec x` are speeds
over JPEG's.
"""

from __future__ import annotations

import statistics
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from services.compressor.codecs import (
    Codec,
    CodecError,
    Pixels,
    bits_per_pixel,
    decode,
    get_codec,
    psnr,
    ssim,
)

T = TypeVar("T")

KODAK = Path(__file__).resolve().parents[2] / "shared" / "data" / "kodak.tar"
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("jpeg", {}),
    ("jpeg", {"quality": 75}),
    ("jpeg", {"subsampling": "444"}),
    ("dct", {"quality": 50}),
    ("dct", {"quality": 75}),
    ("dct", {"quality": 90}),
    ("dct", {"threshold": 0.01}),
    ("dct", {"threshold": 0.02}),
    ("dct", {"threshold": 0.03}),
    ("kmeans", {"k": 16}),
    ("kmeans", {"k": 64}),
    ("kmeans", {"k": 256}),
    ("webp", {}),
    ("avif", {}),
    ("jpeg2000", {"ratio": 20}),
    ("jpeg2000", {}),
    ("webp", {"lossless": True}),
    ("png", {}),
    ("tiff", {}),
    ("tga", {}),
]
JPEG_QUALITIES = (5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 93, 96, 98, 100)


@dataclass(frozen=True)
class Measurement:
    """One codec on one image."""

    bits_per_pixel: float
    psnr_db: float
    ssim: float
    encode_mps: float
    """Megapixels a second."""
    decode_mps: float
    """Megapixels a second."""
    size_ratio: float
    """Size over that of a JPEG of the same PSNR; NaN outside of JPEG's range."""


@click.command(help=__doc__)
@click.argument("source", type=click.Path(exists=True, path_type=Path), default=KODAK)
@click.option("--images", type=click.IntRange(1), default=4, show_default=True, help="Images to take.")
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True, help="Runs of each timing.")
def main(source: Path, images: int, runs: int) -> None:
    pictures = [picture for _, picture in zip(range(images), read_images(source), strict=False)]
    if not pictures:
        raise click.ClickException(f"there are no images in {source}")
    megapixels = sum(picture.shape[0] * picture.shape[1] for picture in pictures) / 1e6
    click.echo(f"{len(pictures)} images, {megapixels:.1f} MP, from {source.name}; one thread, {runs} runs\n")
    click.echo("| codec | options | bpp | PSNR dB | SSIM | enc MP/s | dec MP/s | size | enc x | dec x |")
    click.echo("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    reference: Measurement | None = None
    with threadpool_limits(1):
        curves = [jpeg_curve(picture) for picture in pictures]
        for codec_id, options in SETTINGS:
            codec = get_codec(codec_id, **options)
            row = mean([measure(codec, *pair, runs) for pair in zip(pictures, curves, strict=True)])
            reference = reference or row
            click.echo(table_row(codec_id, options, row, reference))


def read_images(source: Path) -> Iterator[Pixels]:
    """Yields the images of a folder or a tar archive, sorted by name; other files are passed over."""
    for data in read_files(source):
        try:
            yield decode(data)
        except CodecError:
            continue


def read_files(source: Path) -> Iterator[bytes]:
    if source.is_dir():
        yield from (path.read_bytes() for path in sorted(source.rglob("*")) if path.is_file())
        return
    with tarfile.open(source) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            if file := archive.extractfile(member):
                yield file.read()


def jpeg_curve(image: Pixels) -> tuple[list[float], list[float]]:
    """Returns the PSNR and the log size of the image's JPEGs by quality, PSNR ascending."""
    files = [get_codec("jpeg", quality=quality).encode(image[..., :3]) for quality in JPEG_QUALITIES]
    points = sorted((psnr(image[..., :3], decode(data)), float(np.log(len(data)))) for data in files)
    return [point[0] for point in points], [point[1] for point in points]


def measure(codec: Codec, image: Pixels, curve: tuple[list[float], list[float]], runs: int) -> Measurement:
    megapixels = image.shape[0] * image.shape[1] / 1e6
    data, encode_s = timed(lambda: codec.encode(image), runs)
    decoded, decode_s = timed(lambda: codec.decode(data), runs)
    psnr_db = psnr(image, decoded)
    log_size = np.interp(psnr_db, *curve, left=np.nan, right=np.nan)
    return Measurement(
        bits_per_pixel=bits_per_pixel(len(data), image),
        psnr_db=psnr_db,
        ssim=ssim(image, decoded) or np.nan,
        encode_mps=megapixels / encode_s,
        decode_mps=megapixels / decode_s,
        size_ratio=len(data) / float(np.exp(log_size)),
    )


def timed(step: Callable[[], T], runs: int) -> tuple[T, float]:
    """Returns a step's result and the median of its seconds, after one run that does not count."""
    result = step()
    seconds: list[float] = []
    for _ in range(runs):
        start_s = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start_s)
    return result, statistics.median(seconds)


def mean(measurements: list[Measurement]) -> Measurement:
    """Returns the means over images; harmonic for speeds, geometric for the ratio."""
    return Measurement(
        bits_per_pixel=statistics.fmean(m.bits_per_pixel for m in measurements),
        psnr_db=statistics.fmean(m.psnr_db for m in measurements),
        ssim=statistics.fmean(m.ssim for m in measurements),
        encode_mps=statistics.harmonic_mean([m.encode_mps for m in measurements]),
        decode_mps=statistics.harmonic_mean([m.decode_mps for m in measurements]),
        size_ratio=float(np.exp(np.mean(np.log([m.size_ratio for m in measurements])))),
    )


def table_row(codec_id: str, options: dict[str, Any], row: Measurement, reference: Measurement) -> str:
    size = "-" if np.isnan(row.size_ratio) else f"{row.size_ratio:.2f}"
    cells = [
        codec_id,
        " ".join(f"{name}={value}" for name, value in options.items()),
        f"{row.bits_per_pixel:.3f}",
        f"{row.psnr_db:.2f}",
        f"{row.ssim:.4f}",
        f"{row.encode_mps:.1f}",
        f"{row.decode_mps:.1f}",
        size,
        f"{row.encode_mps / reference.encode_mps:.3f}",
        f"{row.decode_mps / reference.decode_mps:.3f}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()

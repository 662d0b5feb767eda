"""Compares palettes: `OPENBLAS_NUM_THREADS=1 python -m benchmarks.codecs.palettes [FOLDER or TAR]`.

The first table holds our k-means against scikit-learn's `KMeans` on all pixels, libimagequant and Pillow:
PSNR and CPU time from pixels to palette and indices on one thread, in the same run; `x` is how many times
less time than scikit-learn's. The second holds our files of k = 64 against other files of the same pixels.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from benchmarks.codecs.images import read_images
from services.compressor.codecs import Pixels, get_codec, psnr
from services.compressor.codecs.kmeans import Kmeans
from services.compressor.codecs.kmeans.packing import pack, unpack
from services.compressor.codecs.kmeans.png import indexed_png

KODAK = Path(__file__).resolve().parents[3] / "shared" / "data" / "kodak.tar"


@click.command(help=__doc__)
@click.argument("source", type=click.Path(exists=True, path_type=Path), default=KODAK)
@click.option("--images", type=click.IntRange(1), default=4, show_default=True, help="Images to take.")
def main(source: Path, images: int) -> None:
    pictures = read_images(source, images)
    if not pictures:
        raise click.ClickException(f"there are no images in {source}")
    ours(pictures[0][:32], 16)  # compiles
    click.echo(f"{len(pictures)} images from {source.name}, CPU time on one thread\n")
    with threadpool_limits(1):
        quality_table(pictures)
        size_table(pictures)


def quality_table(pictures: list[Pixels]) -> None:
    click.echo("| k | method | PSNR dB | least gain | CPU ms | x |\n| --- | --- | --- | --- | --- | --- |")
    for k in (64, 256):
        reference: list[tuple[float, float]] = []
        for name, method in METHODS.items():
            rows = [measured(method, picture, k) for picture in pictures]
            reference = reference or rows
            fidelity, cpu_s = np.mean(rows, axis=0)
            gain = min(row[0] - other[0] for row, other in zip(rows, reference, strict=True))
            faster = np.mean([other[1] for other in reference]) / cpu_s
            click.echo(f"| {k} | {name} | {fidelity:.2f} | {gain:+.2f} | {1000 * cpu_s:.0f} | {faster:.1f} |")


def measured(method: Callable[[Pixels, int], Pixels], picture: Pixels, k: int) -> tuple[float, float]:
    """Returns the PSNR in dB and the CPU time in seconds."""
    start_s = time.process_time()
    quantised = method(picture, k)
    cpu_s = time.process_time() - start_s
    return psnr(picture, quantised), cpu_s


def ours(picture: Pixels, k: int) -> Pixels:
    indices, palette = Kmeans(k).quantise(picture)
    return palette[indices]


def sklearn_kmeans(picture: Pixels, k: int) -> Pixels:
    model: Any = KMeans(k, n_init=1, random_state=0).fit(picture.reshape(-1, 3).astype(np.float32))  # type: ignore[arg-type]
    palette = np.clip(np.rint(model.cluster_centers_), 0, 255).astype(np.uint8)
    return palette[model.labels_].reshape(picture.shape)


def libimagequant(picture: Pixels, k: int) -> Pixels:
    import libimagequant as liq  # pyright: ignore[reportMissingTypeStubs]

    rgba = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    attributes: Any = liq.Attr()
    attributes.max_colors = k
    image: Any = attributes.create_rgba(rgba.tobytes(), picture.shape[1], picture.shape[0], 0)
    result: Any = image.quantize(attributes)
    result.dithering_level = 0.0
    indices = np.frombuffer(bytes(result.remap_image(image)), np.uint8).reshape(picture.shape[:2])
    palette = np.array([(c.r, c.g, c.b) for c in result.get_palette()], np.uint8)
    return palette[indices]


def median_cut(picture: Pixels, k: int) -> Pixels:
    image = Image.fromarray(picture).quantize(k, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
    return np.asarray(image.convert("RGB"))


METHODS: dict[str, Callable[[Pixels, int], Pixels]] = {
    "scikit-learn KMeans, all pixels": sklearn_kmeans,
    "ours": ours,
    "libimagequant": libimagequant,
    "Pillow, median cut and k-means": median_cut,
}


def size_table(pictures: list[Pixels]) -> None:
    palettes = [get_quantised(picture) for picture in pictures]
    start_s = time.process_time()
    packed = [pack(*pair) for pair in palettes]
    middle_s = time.process_time()
    for data, (indices, palette) in zip(packed, palettes, strict=True):
        if not np.array_equal(unpack(data, max_pixels=indices.size), palette[indices]):
            raise click.ClickException("a packed file did not give back its pixels")
    end_s = time.process_time()
    sizes = {"packed": sum(map(len, packed)), "our PNG": sum(len(indexed_png(*pair)) for pair in palettes)}
    sizes["Pillow's PNG, optimised"] = sum(saved(*pair, "PNG", optimize=True) for pair in palettes)
    webp = {"lossless": True, "quality": 100, "method": 6, "exact": True}
    sizes["WebP lossless"] = sum(saved(*pair, "WEBP", **webp) for pair in palettes)
    click.echo("\n| k = 64 | bytes | packed against it |\n| --- | --- | --- |")
    for name, size_bytes in sizes.items():
        saving = 100 * sizes["packed"] / size_bytes - 100
        click.echo(f"| {name} | {size_bytes / len(pictures):.0f} | {saving:+.1f} % |")
    megapixels = sum(indices.size for indices, _ in palettes) / 1e6
    speeds = megapixels / (middle_s - start_s), megapixels / (end_s - middle_s)
    click.echo("\npacking {:.2f}, unpacking {:.2f} MP/s".format(*speeds))


def get_quantised(picture: Pixels) -> tuple[Pixels, Pixels]:
    codec = get_codec("kmeans")
    assert isinstance(codec, Kmeans)
    return codec.quantise(picture)


def saved(indices: Pixels, palette: Pixels, file_format: str, **options: Any) -> int:
    """Returns the bytes of a file that Pillow writes."""
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    (image if file_format == "PNG" else image.convert("RGB")).save(buffer, file_format, **options)
    return len(buffer.getvalue())


if __name__ == "__main__":
    main()

"""Compares our codecs with their peers: `python -m benchmarks.codecs FOLDER_OR_TAR`.

All run in this process on one thread; speeds are megapixels for each second of processor time. BD-rates
(negative: smaller at the same quality) are means over images of PSNR-RGB / PSNR-Y / SSIM / SSIMULACRA2.
Without SOURCE the Kodak images of ../shared/data are taken.
"""

from __future__ import annotations

from pathlib import Path

import click
from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from benchmarks.codecs.contenders import ANCHOR, Contender, contenders
from benchmarks.codecs.images import read_images, small_images
from benchmarks.codecs.measure import METRICS, measure, warm
from benchmarks.codecs.plot import write_plot
from benchmarks.codecs.tables import Measured, bd_table, bytes_table, rate_table, speed_table
from services.compressor.codecs import Pixels

KODAK = Path(__file__).resolve().parents[3] / "shared/data/kodak.tar"
SMALL: dict[int, tuple[float, ...]] = {64: (28, 32, 36), 32: (26, 30, 34)}
"""PSNRs in dB at which sizes of small images are told, by their side in pixels."""


@click.command(help=__doc__)
@click.argument("source", type=click.Path(exists=True, path_type=Path), default=KODAK)
@click.option("--images", type=click.IntRange(1), default=8, show_default=True, help="Images to take.")
@click.option("--runs", type=click.IntRange(1), default=1, show_default=True, help="Runs of each timing.")
@click.option("--only", multiple=True, help="A contender's name, or the beginning of it; may be repeated.")
@click.option("--small/--no-small", default=True, help="Small images too, scaled down from these.")
@click.option("--large/--no-large", default=True, help="The images as they are.")
@click.option("--settings/--no-settings", default=False, help="A row for each setting of each contender.")
@click.option("--plot", type=click.Path(path_type=Path), help="File for the curves: .png, .svg or .pdf.")
def main(
    source: Path,
    images: int,
    runs: int,
    only: tuple[str, ...],
    small: bool,
    large: bool,
    settings: bool,
    plot: Path | None,
) -> None:
    pictures = read_images(source, images)
    if not pictures:
        raise click.ClickException(f"there are no images in {source}")
    found = [c for c in contenders() if not only or c.name == ANCHOR or c.name.startswith(only)]
    metrics = tuple(METRICS)
    if large:
        with threadpool_limits(1):
            measured = measure_all(found, pictures, runs, metrics)
        megapixels = sum(picture.shape[0] * picture.shape[1] for picture in pictures) / 1e6
        _print(
            f"{len(pictures)} images, {megapixels:.1f} MP, of {source.name}", speed_table(measured, ANCHOR)
        )
        _print("PSNR-RGB / PSNR-Y / SSIM / SSIMULACRA2", bd_table(measured, found, metrics))
        if settings:
            _print("Every setting", rate_table(measured))
        if plot:
            write_plot(measured, metrics, plot)
            click.echo(f"curves: {plot}", err=True)
    for side_px, targets_db in SMALL.items() if small else ():
        with threadpool_limits(1):
            tiny = measure_all(found, small_images(pictures, side_px), 1, ("PSNR-RGB",))
        _print(
            f"Bytes of {len(pictures)} images of {side_px}x{side_px}", bytes_table(tiny, targets_db, "codec")
        )


def measure_all(
    found: list[Contender], pictures: list[Pixels], runs: int, metrics: tuple[str, ...]
) -> Measured:
    """Puts every image through every setting of every contender."""
    measured: Measured = {}
    for contender in found:
        click.echo(f"{contender.name} ...", err=True)
        warm(contender, pictures[0][:64, :64])
        measured[contender.name] = [
            [measure(setting, picture, runs, metrics) for setting in contender.settings]
            for picture in pictures
        ]
    return measured


def _print(title: str, rows: list[str]) -> None:
    click.echo(f"\n{title}\n")
    click.echo("\n".join(rows))


if __name__ == "__main__":
    main()

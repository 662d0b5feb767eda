"""`ganpress-trainer evaluate`: measures how good generated images are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from trainer.config import ConfigError
from trainer.metrics import MetricsError


@click.command(short_help="Measure a run, an exported model, or a folder of images.")
@click.argument("target", type=click.Path(exists=True, path_type=Path))
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Prepared set of real images. [default: the one that the run was trained on]")  # fmt: skip
@click.option("-n", "--count", type=click.IntRange(1, 100_000), default=1000, show_default=True,
              help="Images drawn a seed.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True,
              help="Number of draws; figures are their mean.")  # fmt: skip
@click.option("--weights", type=click.Choice(["average", "raw"]), default="average", show_default=True,
              help="Of a run: the running average, as exported, or the weights as trained last.")  # fmt: skip
@click.option("--features", multiple=True, default=("lite0",), show_default=True,
              help="What sees the images: lite0, lite2, hog; repeatable.")  # fmt: skip
@click.option("--inception-weights", type=click.Path(path_type=Path),
              help="File of FID's Inception network: adds FID and KID proper.")  # fmt: skip
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              help="Folder for evaluation.json and neighbours.png. [default: the run's folder]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def evaluate(
    target: Path, data: Path | None, count: int, seeds: int, weights: str, features: tuple[str, ...],
    inception_weights: Path | None, device: str, out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure what TARGET draws against real images.

    TARGET is the folder of a run, an exported model (model.onnx and card.json), or images of any origin in a
    folder or tar. What the figures mean: docs/metrics.md.
    """
    from rich.console import Console

    from trainer.commands.evaluation_table import print_evaluation
    from trainer.data.opening import data_of_run
    from trainer.data.sets import open_set
    from trainer.distributed import pick_device
    from trainer.metrics import evaluation
    from trainer.metrics.features import Extractor, extractor
    from trainer.metrics.sheet import neighbour_sheet
    from trainer.metrics.targets import is_run, open_target

    if data is None and not is_run(target):
        raise MetricsError(f"{target} is no run: say what to compare it with, by --data SET")
    prepared = open_set(data) if data else data_of_run(target)
    if weights == "raw" and out is None and is_run(target):
        raise ConfigError("figures of raw weights are no part of the run: choose a folder by --out")
    picked = pick_device(device)
    extractors: list[Extractor] = [extractor(name, picked) for name in dict.fromkeys(features)]
    if inception_weights:
        from trainer.metrics.inception import InceptionExtractor

        extractors.append(InceptionExtractor(inception_weights, picked))
    info = prepared.info
    source = open_target(target, info.size_px, info.channels, weights, picked)  # type: ignore[arg-type]
    with _progress() as track:
        result, neighbours = evaluation.evaluate(
            source, prepared, extractors, n=count, seeds=seeds, track=track
        )
    if as_json:
        click.echo(result.model_dump_json(indent=2))
    else:
        print_evaluation(result, Console())
    if out is None and is_run(target):
        out = target
    if out:
        out.mkdir(parents=True, exist_ok=True)
        neighbour_sheet(neighbours).save(out / "neighbours.png")
        click.echo(f"{result.write(out)}, {out / 'neighbours.png'}", err=True)


@contextmanager
def _progress() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Shows what is under way on stderr; gives the function that begins a stage."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:

        def track(stage: str, total: int) -> Callable[[int], None]:
            for task in bar.task_ids:
                bar.remove_task(task)
            task = bar.add_task(stage, total=total)
            return lambda done: bar.advance(task, done)

        yield track

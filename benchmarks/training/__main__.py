"""Images a second of training beside PyTorch's DCGAN example, measured in the same run.

`python -m benchmarks.training [TAR] [--threads 1] [--device cpu]` prints Markdown tables for JPEGs of TAR, by
default ../shared/data/cars.tar; where that is absent, photos are made. All contenders take turns, round
after round, so that a busy machine slows all alike; a figure is the median of the rounds, and what counts
are the ratios, each the median of the rounds' ratios. Peers: the step of PyTorch's official example (fp32,
NCHW) on batches that lie in memory, the same with the example's loading (ImageFolder, transforms, DataLoader
with workers) of the same JPEGs, and our step with that loading.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import click
import torch
from torch import Tensor

from benchmarks.training.contenders import Contender, Ours, Reading, Theirs, in_memory, sampled
from benchmarks.training.example import Example
from benchmarks.training.photos import batches, write_photos
from trainer.config import Config, resolve
from trainer.data.dataset import Dataset, data_record
from trainer.data.options import DataOptions
from trainer.data.prepare import prepare
from trainer.distributed import pick_device
from trainer.memory import keep_freed_memory
from trainer.runs import start
from trainer.study.record import this_machine
from trainer.update import pick_precision

CARS = Path(__file__).resolve().parents[3] / "shared" / "data" / "cars.tar"
SIZE_PX = 64
STUDY_IMAGES, STUDY_EPOCHS = 8_000, 50
PRESETS = {"dcgan": ("DCGAN", 52), "cgan": ("CGAN", 162)}
"""The presets measured, with the study's model that each stands beside and its minutes on one Colab GPU."""


@dataclasses.dataclass(frozen=True)
class Rounds:
    """What was measured of one contender."""

    contender: Contender
    """Who."""
    images_per_s: list[float]
    """Of each round."""
    data_shares: list[float]
    """Shares of the time that went into batches, of each round."""


# fmt: off
@click.command(help=__doc__)
@click.argument("source", type=click.Path(path_type=Path), required=False)
@click.option("--photos", type=click.IntRange(2), default=2000, show_default=True, help="JPEGs to use.")
@click.option("--steps", type=click.IntRange(1), default=16, show_default=True, help="Steps a round.")
@click.option("--warm-up", type=click.IntRange(0), default=5, show_default=True,
              help="Steps before each round that are not timed: workers have read ahead.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Rounds.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Loader's processes.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--features", type=click.IntRange(1), help="Features of all networks. [default: the presets']")
@click.option("--batch-size", type=click.IntRange(2), help="Images a step. [default: the presets']")
@click.option("--run-epochs", type=float, default=0.0, show_default=True,
              help="Also train a whole run of so many epochs, with its grids and checkpoints.")
def main(
    source: Path | None, photos: int, steps: int, warm_up: int, rounds: int, threads: int, workers: int,
    device: str, features: int | None, batch_size: int | None, run_epochs: float,
) -> None:
    # fmt: on
    if source and not source.is_file():
        raise click.BadParameter(f"{source} is no tar file of JPEGs; without it photos are made")
    torch.set_num_threads(threads)
    keep_freed_memory()  # for all contenders alike
    picked = pick_device(device)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        kind = write_photos(source or CARS, folder / "photos", photos)
        start_s = time.perf_counter()
        options = DataOptions(keep_near_doubles=True)
        data = prepare(folder / "photos", folder / "set", size_px=SIZE_PX, options=options).split()
        prepared_s = time.perf_counter() - start_s
        _print_machine(picked, threads)
        click.echo(
            f"{len(data.images)} {kind}, {SIZE_PX} px; prepared once in {prepared_s:.1f} s "
            f"({len(data.images) / prepared_s:.0f} images/s); {rounds} rounds of {steps} steps\n"
        )
        for preset in PRESETS:
            flags = {
                "threads": threads, "device": device, "batch_size": batch_size, "tensorboard": False,
                "generator_features": features, "discriminator_features": features,
            }  # fmt: skip
            config = resolve(preset, None, flags)
            contenders = _contenders(config, data, folder, workers, picked)
            results = measure(contenders, steps, warm_up, rounds, picked)
            _print_results(preset, config, results)
            if run_epochs:
                _print_run(dataclasses.replace(config, epochs=run_epochs), data, folder / f"{preset}-whole")


def _contenders(
    config: Config, data: Dataset, folder: Path, workers: int, device: torch.device
) -> list[Contender]:
    """Returns the peer's step first: the ratios are to it."""
    size, count = config.batch_size, config.generator_features

    def loaded() -> Iterator[tuple[Tensor, Tensor]]:
        return batches(folder / "photos", SIZE_PX, size, workers)

    contenders: list[Contender] = [
        Theirs("PyTorch's example, step alone", Example(count, device), in_memory(data, size, device), size),
        Theirs(f"PyTorch's example, {workers} workers", Example(count, device), loaded(), size),
        Ours(f"our step, {workers} workers", config, data, folder, loaded()),
        Ours(f"ours, {pick_precision(config.precision, device)}", config, data, folder),
    ]
    if pick_precision(config.precision, device) != "fp32":
        contenders.append(Ours("ours, fp32", dataclasses.replace(config, precision="fp32"), data, folder))
    return [
        *contenders,
        Reading(f"batches alone, {workers} workers", loaded(), size),
        Reading("batches alone, ours", sampled(data, size, device), size),
    ]


def measure(
    contenders: Sequence[Contender], steps: int, warm_up: int, rounds: int, device: torch.device
) -> list[Rounds]:
    """Lets the contenders take turns."""
    results = [Rounds(contender, [], []) for contender in contenders]
    for _ in range(rounds):
        for result in results:
            contender = result.contender
            for _ in range(warm_up):
                contender.step()
            _wait(device)
            start_s, data_s = time.perf_counter(), contender.data_s
            for _ in range(steps):
                contender.step()
            _wait(device)
            took_s = time.perf_counter() - start_s
            result.images_per_s.append(steps * contender.batch_size / took_s)
            result.data_shares.append((contender.data_s - data_s) / took_s)
    return results


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _print_machine(device: torch.device, threads: int) -> None:
    machine = this_machine()
    on = f"on {machine.gpu}" if device.type == "cuda" else f"on {threads} thread{'s' * (threads > 1)}"
    click.echo(f"{machine.cpu}, {machine.cores} cores; {on}; PyTorch {torch.__version__}")


def _print_results(preset: str, config: Config, results: Sequence[Rounds]) -> None:
    """Prints the table of one preset, and what the study's work takes at our speed."""
    peer = results[0]
    click.echo(
        f"\n**{preset}**, {config.generator_features} features, batch {config.batch_size}\n\n"
        "| | images/s | ratio | share for batches | 8,000 x 50 |\n| --- | ---: | ---: | ---: | ---: |"
    )
    for result in results:
        rate, reads_only = median(result.images_per_s), isinstance(result.contender, Reading)
        pairs = zip(result.images_per_s, peer.images_per_s, strict=True)
        cells = [result.contender.name, f"{rate:.{1 if rate < 100 else 0}f}"]
        cells += ["", "", ""] if reads_only else [
            f"{median(ours / theirs for ours, theirs in pairs):.2f}",
            f"{median(result.data_shares):.1%}",
            _hours(STUDY_IMAGES * STUDY_EPOCHS / rate),
        ]  # fmt: skip
        click.echo(f"| {' | '.join(cells)} |")
    model, minutes = PRESETS[preset]
    rate = STUDY_IMAGES * STUDY_EPOCHS / (60 * minutes)
    click.echo(f"| the study's {model}, one Colab GPU | {rate:.0f} | | | {_hours(60 * minutes)} |")


def _print_run(config: Config, data: Dataset, run: Path) -> None:
    """Trains a whole run and prints where its time went."""
    trainer = start(config, data, run, data_record(data))
    trainer.train()
    data_share, other_share = trainer.time_shares
    rate = trainer.step * config.batch_size / trainer.duration_s
    click.echo(
        f"\nA whole run of {config.epochs:g} epochs: {rate:.1f} images/s, {data_share:.1%} of the time for "
        f"batches, {other_share:.1%} beside the steps (rows, grids, checkpoints)."
    )


def _hours(seconds: float) -> str:
    return str(dt.timedelta(seconds=round(seconds)))


if __name__ == "__main__":
    main()

"""Presets compared over seeds and data sets under one budget of images.

`python -m benchmarks.training.comparison SET... --out FOLDER` trains every preset with every seed on every
prepared set, looks at the distances several times during each run, and prints Markdown tables: means and
spreads over the seeds, ratios to plain DCGAN at the same seed, and the last KID beside the best. Runs that
FOLDER holds already are not made again, so that a comparison that was stopped goes on.

All generators have equally many features, discriminators keep the presets' proportion to them, and all
averages of weights have the same half-life in images, so that what differs is the recipe. The budget counts
images that a generator has drawn to learn from; wgan-gp's critic sees five times as many.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

import click
import torch

from trainer.config import Config, resolve
from trainer.data.dataset import data_record
from trainer.data.sets import PreparedSet, open_set
from trainer.errors import TrainerError
from trainer.files import write_atomically
from trainer.metrics.distances import frechet_distance, kernel_distance
from trainer.metrics.evaluation import evaluate
from trainer.metrics.features import Extractor, extractor
from trainer.metrics.real import RealImages, untracked
from trainer.metrics.targets import RunTarget
from trainer.runs import start

PLAIN = "dcgan"
FILE = "comparison.json"
HALF_LIFE_IMAGES = 8_000
CPU = torch.device("cpu")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came out of one run."""

    data: str
    """Name of the set."""
    preset: str
    """Preset."""
    seed: int
    """Seed of the training."""
    minutes: float
    """Time of training."""
    failure: str
    """Why the run ended early; empty if it did not."""
    kid: list[float]
    """KID of the averaged weights at equal distances along the run, the end last."""
    fd: list[float]
    """Frechet distance, likewise."""
    figures: dict[str, float]
    """All figures at the end, by name."""


# fmt: off
@click.command(help=__doc__)
@click.argument("sets", type=click.Path(exists=True, file_okay=False, path_type=Path), nargs=-1,
                required=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="Folder of the runs.")
@click.option("--preset", "presets", multiple=True, default=(PLAIN, "wgan-gp", "cgan", "guided"),
              show_default=True, help="What to compare; repeatable.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Runs of each kind.")
@click.option("--images", type=click.IntRange(1000), default=40_000, show_default=True,
              help="Budget of a run.")
@click.option("--features", type=click.IntRange(2), default=16, show_default=True, help="Of all generators.")
@click.option("--looks", type=click.IntRange(1), default=4, show_default=True,
              help="Measurements along a run.")
@click.option("-n", "--count", type=click.IntRange(200), default=1000, show_default=True,
              help="Images drawn to measure.")
def main(
    sets: tuple[Path, ...], out: Path, presets: tuple[str, ...], seeds: int, images: int, features: int,
    looks: int, count: int,
) -> None:
    # fmt: on
    torch.set_num_threads(1)
    seen_by = extractor("lite0", CPU)
    outcomes: list[Outcome] = []
    for seed in range(seeds):  # all kinds once before any kind twice: a stopped comparison is of use
        for folder in sets:
            prepared = open_set(folder)
            for preset in presets:
                run = out / f"{prepared.info.name}-{preset}-{seed}"
                if not (run / FILE).exists():
                    shutil.rmtree(run, ignore_errors=True)
                    config = _config(preset, prepared, seed, images, features, looks)
                    outcome = _run(preset, config, prepared, run, seen_by, count)
                    write_atomically(run / FILE, json.dumps(dataclasses.asdict(outcome), indent=2).encode())
                outcomes.append(Outcome(**json.loads((run / FILE).read_text())))
                click.echo(_line(outcomes[-1]), err=True)
    for name in dict.fromkeys(outcome.data for outcome in outcomes):
        _print_table([outcome for outcome in outcomes if outcome.data == name], presets)


def _config(
    preset: str, prepared: PreparedSet, seed: int, images: int, features: int, looks: int
) -> Config:
    """Returns the preset's settings with the budget; checkpoints lie where the measurements are made."""
    info, usual = prepared.info, resolve(preset, None, {})
    flags = {
        "seed": seed, "device": "cpu", "tensorboard": False, "image_size_px": info.size_px,
        "channels": info.channels, "generator_features": features,
        "discriminator_features": features * usual.discriminator_features // usual.generator_features,
    }  # fmt: skip
    config = resolve(preset, None, flags)
    steps = images // config.batch_size
    per_epoch = max(info.splits["train"].images // config.batch_size, 1)
    return dataclasses.replace(
        config, epochs=steps / per_epoch, ema_decay=0.5 ** (config.batch_size / HALF_LIFE_IMAGES),
        checkpoint_every_steps=-(-steps // looks), keep_checkpoints=looks, sample_every_epochs=1e6,
    )  # fmt: skip


def _run(
    preset: str, config: Config, prepared: PreparedSet, run: Path, seen_by: Extractor, count: int
) -> Outcome:
    """Trains and measures."""
    data = prepared.split()
    trainer = start(config, data, run, data_record(data))
    failure = ""
    try:
        trainer.train()
    except TrainerError as error:
        failure = str(error)
    kid: list[float] = []
    fd: list[float] = []
    for checkpoint in sorted((run / "checkpoints").glob("step-*.pt")):
        (run / "checkpoint.pt").unlink(missing_ok=True)  # it may be the same file
        shutil.copyfile(checkpoint, run / "checkpoint.pt")
        target = RunTarget(run, "average", CPU)
        real = RealImages(prepared, target.labels)
        train = real.features(real.train, seen_by, untracked)
        drawn = seen_by(target.natural(real.train.labels, count, 0), lambda _: None)
        kid.append(kernel_distance(train, drawn, 0))
        fd.append(frechet_distance(train, drawn))
    evaluation, _ = evaluate(RunTarget(run, "average", CPU), prepared, [seen_by], n=count, seeds=1)
    evaluation.write(run)
    shutil.rmtree(run / "checkpoints")
    figures = {figure.name: figure.value for figure in evaluation.figures}
    return Outcome(
        prepared.info.name, preset, config.seed, trainer.duration_s / 60, failure, kid, fd, figures
    )


def _line(outcome: Outcome) -> str:
    curve = " ".join(f"{value:.2f}" for value in outcome.kid)
    return (
        f"{outcome.data} {outcome.preset} seed {outcome.seed}: {outcome.minutes:.1f} min, KID {curve}, "
        f"FD {outcome.fd[-1]:.0f} {outcome.failure}"
    )


def _print_table(outcomes: Sequence[Outcome], presets: Sequence[str]) -> None:
    """Prints the figures of one data set."""
    click.echo(
        f"\n**{outcomes[0].data}**, {len({outcome.seed for outcome in outcomes})} seeds\n\n"
        "| | KID | of DCGAN's | FD | of DCGAN's | coverage | CAS | last KID / best | minutes |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    plain = {outcome.seed: outcome for outcome in outcomes if outcome.preset == PLAIN}
    for preset in presets:
        mine = [outcome for outcome in outcomes if outcome.preset == preset]
        cells = [
            preset,
            _spread([outcome.kid[-1] for outcome in mine], ".2f"),
            _ratios([(outcome.kid[-1], plain[outcome.seed].kid[-1]) for outcome in mine if plain]),
            _spread([outcome.fd[-1] for outcome in mine], ".0f"),
            _ratios([(outcome.fd[-1], plain[outcome.seed].fd[-1]) for outcome in mine if plain]),
            _spread([outcome.figures["coverage_lite0"] for outcome in mine], ".2f"),
            _spread([o.figures["cas_lite0"] for o in mine if "cas_lite0" in o.figures], ".2f"),
            f"{max(outcome.kid[-1] / min(outcome.kid) for outcome in mine):.2f}",
            f"{mean(outcome.minutes for outcome in mine):.1f}",
        ]
        click.echo(f"| {' | '.join(cells)} |")
        for outcome in mine:
            if outcome.failure:
                click.echo(f"\n{preset}, seed {outcome.seed}: {outcome.failure}\n")


def _spread(values: Sequence[float], form: str) -> str:
    """Returns mean ± standard deviation; a dash for nothing."""
    if not values:
        return "-"
    spread = f" ± {stdev(values):{form}}" if len(values) > 1 else ""
    return f"{mean(values):{form}}{spread}"


def _ratios(pairs: Sequence[tuple[float, float]]) -> str:
    """Returns the mean of the ratios at equal seeds, and the largest."""
    ratios = [mine / theirs for mine, theirs in pairs]
    return f"{mean(ratios):.2f} (≤ {max(ratios):.2f})" if ratios else "-"


if __name__ == "__main__":
    main()

"""Whole runs with tiny numbers."""

import dataclasses
import json
import resource
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.helpers.images import jpeg_file
from trainer import runs
from trainer.checkpoint import RunError, load
from trainer.config import resolve
from trainer.data.dataset import Dataset, data_record
from trainer.data.options import DataOptions
from trainer.data.prepare import prepare
from trainer.logs import read_rows
from trainer.loop import CollapsedError, DivergedError, Progress, Trainer, Watcher
from trainer.update import StepResult


@pytest.fixture
def dataset(photos: Path, tmp_path: Path) -> Dataset:
    """20 photos of 32 px in two classes."""
    return prepare(photos, tmp_path / "set", size_px=32).split()


def start(dataset: Dataset, run: Path, preset: str, settings: dict[str, object]) -> Trainer:
    """Returns the trainer of a new run."""
    return runs.start(resolve(preset, None, settings), dataset, run, data_record(dataset))


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Returns every number of every network, by name."""
    state = trainer.state()
    networks = {name: state["update"][name] for name in ("generator", "discriminator")}
    networks["average"] = state["average"]
    return {f"{name}.{k}": v for name, network in networks.items() for k, v in network.items()}


def everything(trainer: Trainer) -> dict[str, object]:
    """Returns all that a checkpoint holds but the time, tensors as bytes, by name."""
    found: dict[str, object] = {}

    def walk(name: str, value: object) -> None:
        if isinstance(value, dict | list):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                walk(f"{name}/{key}", inner)
        else:
            found[name] = value.numpy().tobytes() if isinstance(value, torch.Tensor) else value

    walk("", trainer.state() | {"duration_s": 0})
    return found


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Says whether two sets of weights are equal to the bit."""
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("preset", ["dcgan", "cgan"])
def test_resumed_run_equals_uninterrupted_run(
    dataset: Dataset, tiny: dict, tmp_path: Path, preset: str
) -> None:
    """A run that dies after a checkpoint and is resumed ends with the very state of one that ran through."""
    whole = start(dataset, tmp_path / "whole", preset, tiny)
    whole.train()
    cut = start(dataset, tmp_path / "cut", preset, tiny)

    class DeathError(Exception):
        pass

    def die_at_10(progress: Progress) -> None:
        if progress.step == 10:
            raise DeathError

    with pytest.raises(DeathError):
        cut.train(Watcher(report=die_at_10))
    resumed = runs.resume(dataset, tmp_path / "cut")
    assert resumed.step == 5
    resumed.train()
    assert everything(whole) == everything(resumed)
    assert any("augmentation/pending" in name for name in everything(whole))
    rows = [[row["step"] for row in read_rows(tmp_path / run / "metrics.jsonl")] for run in ("whole", "cut")]
    assert rows[0] == rows[1] == [5, 10, 15, 20]


def test_same_seed_same_weights_other_seed_other_weights(
    dataset: Dataset, tiny: dict, tmp_path: Path
) -> None:
    """On one thread the seed decides every weight."""
    runs = [
        start(dataset, tmp_path / str(i), "cgan", tiny | {"epochs": 1.0, "seed": seed})
        for i, seed in enumerate((1, 1, 2))
    ]
    for run in runs:
        run.train()
    assert same(weights(runs[0]), weights(runs[1]))
    assert not same(weights(runs[0]), weights(runs[2]))


def test_run_folder(dataset: Dataset, tiny: dict, tmp_path: Path) -> None:
    """A run leaves settings, data, metrics, sample grids and a checkpoint."""
    start(dataset, tmp_path / "run", "cgan", tiny).train()
    assert json.loads((tmp_path / "run/data.json").read_text())["images_per_label"] == {"coupe": 12, "van": 8}
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 20
    grid = Image.open(tmp_path / "run/samples/epoch-0004.0.png")
    assert grid.size == (9 * 34 + 2, 2 * 34 + 2)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "checkpoint.pt", "config.json", "data.json", "environment.json", "metrics.jsonl",
        "metrics.parquet", "samples",
    ]  # fmt: skip


def test_the_penalty_and_the_classifier_reach_the_discriminator(
    dataset: Dataset, tiny: dict, tmp_path: Path
) -> None:
    """Turning off a term of the loss changes what is learned."""
    variants = [{}, {"penalty_gamma": 0.0}, {"classifier_weight": 0.0}]
    runs = [
        start(dataset, tmp_path / str(i), "cgan", tiny | {"epochs": 3.0} | variant)
        for i, variant in enumerate(variants)
    ]
    for run in runs:
        run.train()
    for other in runs[1:]:
        assert not same(weights(runs[0]), weights(other))


def test_divergence_is_reported_and_the_last_good_checkpoint_kept(
    dataset: Dataset, tiny: dict, tmp_path: Path
) -> None:
    """When a weight is no number any more, the run stops, and the checkpoint from before is sound."""
    trainer = start(dataset, tmp_path / "run", "cgan", tiny)

    step = trainer.train_step

    def poisoned_step() -> StepResult:
        result = step()
        if trainer.step == 15:  # an update that spoils the weights after losses that looked sound
            next(trainer.update.generator.parameters()).data.fill_(float("nan"))
        return result

    trainer.train_step = poisoned_step  # type: ignore[method-assign]
    with pytest.raises(DivergedError, match=r"diverged at step 15 .* is from before"):
        trainer.train()
    resumed = runs.resume(dataset, tmp_path / "run")
    assert resumed.step == 10
    assert all(torch.isfinite(v).all() for v in weights(resumed).values())


def test_run_folder_errors(dataset: Dataset, tiny: dict, tmp_path: Path, photos: Path) -> None:
    """A used folder, a folder without a run, a damaged checkpoint and other data are each refused."""
    with pytest.raises(RunError, match="holds no run"):
        runs.resume(dataset, tmp_path / "nowhere")
    run = tmp_path / "run"
    start(dataset, run, "cgan", tiny | {"epochs": 1.0}).train()
    with pytest.raises(RunError, match="already holds a run"):
        start(dataset, run, "cgan", tiny)
    vans = DataOptions(include=("van/*",))
    other = prepare(photos, tmp_path / "vans", size_px=32, options=vans).split()
    with pytest.raises(RunError, match=r"other images or labels|does not fit"):
        runs.resume(other, run)
    (run / "checkpoint.pt").write_bytes(b"junk")
    with pytest.raises(RunError, match="is damaged or cut short"):
        runs.resume(dataset, run)


def test_minutes_end_a_run_and_count_on_when_it_is_resumed(
    dataset: Dataset, tiny: dict, tmp_path: Path
) -> None:
    """A run by time ends when it is spent; resumed with more, it counts what was spent before."""
    timed = tiny | {"epochs": 0.0, "minutes": 0.02, "sample_every_epochs": 1e6}
    trainer = start(dataset, tmp_path / "run", "cgan", timed)
    shares: list[float] = []
    trainer.train(Watcher(tick=lambda _, share: shares.append(share)))
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert not trainer.stopped
    state = load(tmp_path / "run/checkpoint.pt")
    assert (state["share"], state["step"]) == (1, len(shares))
    assert state["duration_s"] >= 1.2
    resumed = runs.resume(dataset, tmp_path / "run")
    resumed.train()  # nothing is left to do
    assert resumed.step == len(shares)
    longer = dataclasses.replace(resumed.config, minutes=0.04)
    resumed = runs.resume(dataset, tmp_path / "run", config=longer)
    more: list[float] = []
    resumed.train(Watcher(tick=lambda _, share: more.append(share)))
    assert 0.5 <= more[0] < more[-1] == 1
    assert load(tmp_path / "run/checkpoint.pt")["duration_s"] >= 2.4


def test_kept_checkpoints(dataset: Dataset, tiny: dict, tmp_path: Path) -> None:
    """As many checkpoints as asked for are kept beside the newest, the last ones."""
    start(dataset, tmp_path / "run", "cgan", tiny | {"keep_checkpoints": 2}).train()
    kept = sorted((tmp_path / "run/checkpoints").iterdir())
    assert [path.name for path in kept] == ["step-00000015.pt", "step-00000020.pt"]
    assert [load(path)["step"] for path in kept] == [15, 20]


def ignore_noise(trainer: Trainer) -> None:
    """Makes the trainer's generators draw one picture, and lets the monitor look from the first step on."""
    trainer.recorder.monitor.young_steps = trainer.recorder.monitor.patience_steps = 0
    for generator in (trainer.update.generator, trainer.averaged_generator()):
        torch.nn.init.zeros_(generator.get_parameter("stem.weight"))


@pytest.fixture
def varied(tmp_path: Path) -> Dataset:
    """40 photos, enough to tell how varied they are."""
    for i in range(40):
        photo = tmp_path / "varied/cat" / f"{i}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(jpeg_file(60, 40, seed=i))
    return prepare(tmp_path / "varied", tmp_path / "varied-set", size_px=32).split()


COLLAPSE = {"learning_rate": 1e-9, "final_learning_rate": 1e-9, "sample_every_epochs": 0.5, "epochs": 3.0}


def test_a_collapse_is_told_and_the_checkpoint_from_before_kept(
    varied: Dataset, tiny: dict, tmp_path: Path
) -> None:
    """A generator that ignores its noise is told once, as a warning; the run goes on."""
    trainer = start(varied, tmp_path / "run", "cgan", tiny | COLLAPSE)
    step = trainer.train_step

    def collapsing_step() -> StepResult:
        result = step()
        if trainer.step == 13:
            ignore_noise(trainer)
        return result

    trainer.train_step = collapsing_step  # type: ignore[method-assign]
    warnings: list[str] = []
    trainer.train(Watcher(warn=warnings.append))
    (warning,) = warnings
    assert warning.startswith(
        "step 25: the samples of label 'cat' are nearly the same picture (diversity 0.0"
    )
    assert "since step 15" in warning
    assert load(tmp_path / "run/checkpoint-before-collapse.pt")["step"] == 10
    assert trainer.step == 30
    assert read_rows(tmp_path / "run/metrics.jsonl")[-1]["diversity/cat"] < 0.1


def test_a_collapse_can_end_the_run(varied: Dataset, tiny: dict, tmp_path: Path) -> None:
    """With stop_on_collapse the run ends at the third check, and no collapsed state has been saved since."""
    trainer = start(varied, tmp_path / "run", "cgan", tiny | COLLAPSE | {"stop_on_collapse": True})
    ignore_noise(trainer)
    with pytest.raises(CollapsedError, match=r"stopped at step 15: the samples of label 'cat' are nearly"):
        trainer.train()
    assert load(tmp_path / "run/checkpoint.pt")["step"] == 10
    assert read_rows(tmp_path / "run/metrics.jsonl")[-1]["step"] == 15


def test_a_full_disk_is_told_and_the_checkpoint_intact(dataset: Dataset, tiny: dict, tmp_path: Path) -> None:
    """When a checkpoint cannot be written the run ends with one sentence, and the one before is sound."""
    run = tmp_path / "run"
    trainer = start(dataset, run, "cgan", tiny)

    def fill_the_disk(progress: Progress) -> None:
        if progress.step == 15:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(
            RunError, match=r"step 15 cannot be written .*; the checkpoint before it is untouch"
        ):
            trainer.train(Watcher(report=fill_the_disk))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load(run / "checkpoint.pt")["step"] == 10
    resumed = runs.resume(dataset, run)
    resumed.train()
    assert resumed.step == 20

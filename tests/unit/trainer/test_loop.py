"""Whole runs with tiny numbers."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from trainer import runs
from trainer.checkpoint import RunError
from trainer.config import resolve
from trainer.data.dataset import Dataset, data_record
from trainer.data.options import DataOptions
from trainer.data.prepare import prepare
from trainer.loop import DivergedError, Progress, Trainer, Watcher
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


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Says whether two sets of weights are equal to the bit."""
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("preset", ["dcgan", "cgan"])
def test_resumed_run_equals_uninterrupted_run(
    dataset: Dataset, tiny: dict, tmp_path: Path, preset: str
) -> None:
    """A run stopped after a checkpoint and resumed ends with the very weights of one that ran through."""
    whole = start(dataset, tmp_path / "whole", preset, tiny)
    whole.train()
    cut = start(dataset, tmp_path / "cut", preset, tiny)

    class StopError(Exception):
        pass

    def stop_at_12(progress: Progress) -> None:
        if progress.step == 10:
            raise StopError

    with pytest.raises(StopError):
        cut.train(Watcher(report=stop_at_12))
    resumed = runs.resume(dataset, tmp_path / "cut")
    assert resumed.step == 5
    resumed.train()
    assert same(weights(whole), weights(resumed))


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

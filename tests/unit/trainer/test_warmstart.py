"""Starting with another run's weights."""

import json
from pathlib import Path

import pytest
import torch

from trainer import runs
from trainer.checkpoint import RunError
from trainer.config import resolve
from trainer.data.dataset import Dataset, data_record
from trainer.data.options import DataOptions
from trainer.data.prepare import prepare
from trainer.loop import Trainer


@pytest.fixture
def dataset(photos: Path, tmp_path: Path) -> Dataset:
    """Photos of 32 px of the labels coupe and van."""
    return prepare(photos, tmp_path / "set", size_px=32).split()


@pytest.fixture
def other_labels(photos: Path, tmp_path: Path) -> Dataset:
    """The same photos under the labels bus, truck and van: van comes at another place than in `dataset`."""
    (photos / "Coupe").rename(photos / "truck")
    (photos / "bus").mkdir()
    for i in range(4):
        (photos / f"truck/{i:02d}.jpg").rename(photos / f"bus/{i:02d}.jpg")
    return prepare(photos, tmp_path / "other", size_px=32, options=DataOptions()).split()


def trained(dataset: Dataset, run: Path, tiny: dict, **settings: object) -> Trainer:
    """Returns a run of five steps."""
    config = resolve("cgan", None, tiny | {"epochs": 1.0} | settings)
    trainer = runs.start(config, dataset, run, data_record(dataset))
    trainer.train()
    return trainer


def fresh(dataset: Dataset, run: Path, tiny: dict, source: Path, **settings: object) -> Trainer:
    """Returns a new run with the weights of `source`, before its first step."""
    config = resolve("cgan", None, tiny | {"seed": 9} | settings)
    return runs.start(config, dataset, run, data_record(dataset), init_from=source)


def test_same_labels_same_weights(dataset: Dataset, tiny: dict, tmp_path: Path) -> None:
    """With the same labels every weight and the average are the other run's, and the run records it."""
    old = trained(dataset, tmp_path / "old", tiny)
    new = fresh(dataset, tmp_path / "new", tiny, tmp_path / "old", learning_rate=1e-4)
    a, b = old.state(), new.state()
    for name in ("generator", "discriminator"):
        assert all(torch.equal(b["update"][name][k], v) for k, v in a["update"][name].items())
    assert all(torch.equal(b["average"][k], v) for k, v in a["average"].items())
    record = json.loads((tmp_path / "new/environment.json").read_text())["init_from"]
    assert (record["step"], record["data"], record["labels"]) == (5, "photos", ["coupe", "van"])
    assert record["data_sha256"] == dataset.sha256()
    assert record["discriminator"] is True
    assert len(record["checkpoint_sha256"]) == 64
    terms = json.loads((tmp_path / "new/data.json").read_text())["terms"]
    assert (
        terms
        == f"started from weights trained on photos (step 5, checkpoint {record['checkpoint_sha256'][:12]})"
    )


def test_labels_go_by_name(
    dataset: Dataset, photos: Path, other_labels: Dataset, tiny: dict, tmp_path: Path
) -> None:
    """A label that both runs know keeps its rows at its new place; others start fresh; the rest is taken."""
    old = trained(dataset, tmp_path / "old", tiny, learning_rate=0.01)
    assert other_labels.label_names == ("bus", "truck", "van")
    new = fresh(other_labels, tmp_path / "new", tiny, tmp_path / "old")
    a, b = old.update.generator.state_dict(), new.update.generator.state_dict()
    gain = "norms.0.gain.weight"
    assert torch.equal(b[gain][2], a[gain][1])
    assert torch.equal(b[gain][:2], torch.ones_like(b[gain][:2]))
    assert torch.equal(b["stem.weight"], a["stem.weight"])
    a, b = old.update.discriminator.state_dict(), new.update.discriminator.state_dict()
    assert torch.equal(b["classifier.weight"][2], a["classifier.weight"][1])
    assert torch.equal(b["body.0.weight"], a["body.0.weight"])
    new.train()  # it can be trained on


def test_a_larger_discriminator_starts_fresh(dataset: Dataset, tiny: dict, tmp_path: Path) -> None:
    """A discriminator that does not fit is left as it was made, and the record says so."""
    trained(dataset, tmp_path / "old", tiny)
    new = fresh(dataset, tmp_path / "new", tiny, tmp_path / "old", discriminator_features=8)
    assert new.update.discriminator.state_dict()["body.0.weight"].shape[0] == 8
    record = json.loads((tmp_path / "new/environment.json").read_text())["init_from"]
    assert record["discriminator"] is False


def test_a_generator_that_does_not_fit_is_refused(dataset: Dataset, tiny: dict, tmp_path: Path) -> None:
    """The message names what differs, and no run is left behind."""
    trained(dataset, tmp_path / "old", tiny)
    message = (
        r"does not fit this run's: its z_dim is 8, here it is 9; its generator_features is 4, here it is 8"
    )
    with pytest.raises(RunError, match=message):
        fresh(dataset, tmp_path / "new", tiny, tmp_path / "old", z_dim=9, generator_features=8)
    assert not (tmp_path / "new").exists()
    with pytest.raises(RunError, match="no checkpoint yet"):
        fresh(dataset, tmp_path / "new", tiny, tmp_path / "nowhere")

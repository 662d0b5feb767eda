"""Drawing from a run's checkpoint."""

from pathlib import Path

import numpy as np
import pytest
import torch

from trainer import runs
from trainer.checkpoint import RunError
from trainer.config import resolve
from trainer.data.dataset import Dataset, data_record
from trainer.sampling import draw, label_index, load_generator, to_uint8

pytestmark = pytest.mark.training


@pytest.fixture
def run(tiny: dict[str, object], tmp_path: Path) -> Path:
    """A run of 20 steps on noise of two labels."""
    rng = np.random.default_rng(0)
    data = Dataset(rng.integers(0, 256, (20, 3, 32, 32), np.uint8), np.arange(20) % 2, ("coupe", "van"))
    runs.start(resolve("cgan", None, tiny), data, tmp_path / "run", data_record(data)).train()
    return tmp_path / "run"


def test_draw(run: Path) -> None:
    """The same seed and labels give the same images, another seed or label others; threads stay as set."""
    threads = torch.get_num_threads()
    trained = load_generator(run)
    assert torch.get_num_threads() == threads
    assert (trained.labels, trained.step, trained.weights) == (("coupe", "van"), 20, "average")
    labels = np.arange(70) % 2
    images = draw(trained.generator, labels, 7)
    assert images.shape == (70, 3, 32, 32)
    assert images.dtype == np.uint8
    assert np.array_equal(images, draw(load_generator(run).generator, labels, 7))
    assert not np.array_equal(images, draw(trained.generator, labels, 8))
    assert not np.array_equal(images, draw(trained.generator, 1 - labels, 7))


def test_checkpoint_of_another_model_is_refused(run: Path, tiny: dict[str, object], tmp_path: Path) -> None:
    """A checkpoint that was made with another architecture than the run's is named as such."""
    rng = np.random.default_rng(0)
    data = Dataset(rng.integers(0, 256, (20, 3, 32, 32), np.uint8), np.arange(20) % 2, ("coupe", "van"))
    other = tmp_path / "other"
    runs.start(resolve("dcgan", None, tiny | {"epochs": 0.2}), data, other, data_record(data)).train()
    (run / "checkpoint.pt").write_bytes((other / "checkpoint.pt").read_bytes())
    with pytest.raises(RunError, match="was made with architecture 'dcgan', but the run's config"):
        load_generator(run)


def test_raw_and_average_differ(run: Path) -> None:
    """The raw weights draw other images than their average."""
    labels = np.zeros(4, np.int64)
    average, raw = (draw(load_generator(run, weights).generator, labels, 0) for weights in ("average", "raw"))
    assert not np.array_equal(average, raw)


def test_batch_statistics_are_those_of_the_weights(run: Path) -> None:
    """Whatever running statistics the checkpoint holds, the images are the same: they are taken anew."""
    path = run / "checkpoint.pt"
    expected = draw(load_generator(run).generator, np.zeros(4, np.int64), 0)
    state = torch.load(path, weights_only=True)
    for name, value in state["average"].items():
        if "running_mean" in name:
            value.fill_(100.0)
    torch.save(state, path)
    assert np.array_equal(draw(load_generator(run).generator, np.zeros(4, np.int64), 0), expected)


def test_range() -> None:
    """-1..1 becomes 0..255, rounded, and what is beyond is cut."""
    assert to_uint8(np.array([-1.5, -1, 0, 0.999, 1, 2])).tolist() == [0, 0, 128, 255, 255, 255]


def test_unknown_label() -> None:
    """A label that it does not draw is refused with those it does."""
    with pytest.raises(RunError, match="knows no label 'bus'; it draws: coupe, van"):
        label_index(("coupe", "van"), "bus")
    with pytest.raises(RunError, match="knows no label 'bus'; it draws without labels"):
        label_index((), "bus")

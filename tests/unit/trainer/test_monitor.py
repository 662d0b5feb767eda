"""The watch for mode collapse."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from trainer.data.dataset import Dataset
from trainer.data.options import DataOptions
from trainer.data.prepare import prepare
from trainer.label_weights import label_feed
from trainer.monitor import PATIENCE_STEPS, YOUNG_STEPS, CollapseMonitor

OLD = YOUNG_STEPS
LASTING = [OLD, OLD + PATIENCE_STEPS // 2, OLD + PATIENCE_STEPS]
"""Steps of as many checks over as long a time as a collapse must last."""


def photographs(counts: dict[str, int], seed: int = 0) -> Dataset:
    """Returns smooth random pictures of 32 px, as varied as photographs are."""
    rng = np.random.default_rng(seed)
    n = sum(counts.values())
    coarse = torch.from_numpy(rng.uniform(0, 255, (n, 3, 4, 4)))
    images = torch.nn.functional.interpolate(coarse, size=32, mode="bilinear").byte().numpy()
    labels = np.repeat(np.arange(len(counts)), list(counts.values()))
    return Dataset(images, labels, tuple(counts))


def pictures(z: Tensor) -> Tensor:
    """Returns what a healthy generator would draw: images [N, 3, 32, 32] that differ as their noise does."""
    directions = torch.randn(z.shape[1], 3 * 16, generator=torch.Generator().manual_seed(0))
    coarse = torch.tanh(z @ directions / z.shape[1] ** 0.5).view(-1, 3, 4, 4)
    return torch.nn.functional.interpolate(coarse, size=32, mode="bilinear")


def look(monitor: CollapseMonitor, steps: list[int], z: Tensor) -> list[list[str]]:
    """Returns what the monitor says at each step of a generator that is given the noise `z`."""
    return [monitor.check(step, monitor.diversity(pictures(z))) for step in steps]


def test_a_healthy_generator_is_left_alone() -> None:
    """Samples that follow their noise have about the diversity of the photographs and raise no alarm."""
    monitor = CollapseMonitor(photographs({"a": 200, "b": 100}), 2, 16, seed=0)
    values = monitor.diversity(pictures(monitor.z))
    assert values.keys() == {"a", "b"}
    assert all(0.5 < value < 2 for value in values.values())
    assert look(monitor, [OLD + i for i in range(10)], monitor.z) == [[]] * 10


@pytest.mark.parametrize("kinds", [1, 3])
def test_a_generator_that_knows_few_pictures_is_caught(kinds: int) -> None:
    """A generator that ignores its noise, or draws only three pictures, is named once it lasts."""
    monitor = CollapseMonitor(photographs({"a": 200, "b": 100}), 2, 16, seed=0)
    chosen = monitor.z[torch.arange(len(monitor.z)) % kinds]
    found = look(monitor, list(range(OLD, OLD + 1000, 200)), chosen)
    assert found == [[], [], [], ["a", "b"], []]
    text = monitor.describe(["a", "b"], {"a": 0.03, "b": 0.05}, lead=0.99)
    assert text.startswith("the samples of labels 'a', 'b' are nearly the same picture (diversity 0.03 of")
    assert f"since step {OLD}" in text
    assert "tells 99.5% of the pairs apart: raise penalty_gamma" in text


def test_only_the_collapsed_label_is_named() -> None:
    """One label that draws one picture is found among healthy ones."""
    monitor = CollapseMonitor(photographs({"a": 100, "van": 100}), 2, 16, seed=0)
    z = monitor.z.clone()
    z[monitor.label == 1] = monitor.z[0]
    assert look(monitor, LASTING, z)[-1] == ["van"]


def test_a_young_run_is_left_alone() -> None:
    """Grey first pictures are no collapse: nothing counts before the thousandth step."""
    monitor = CollapseMonitor(photographs({"a": 100}), 0, 16, seed=0)
    assert not any(look(monitor, list(range(0, OLD, 50)), monitor.z * 0))
    assert not monitor.suspicious


def test_a_passing_low_is_no_collapse() -> None:
    """The checks have to agree in a row over 500 steps; a good one starts the wait anew."""
    monitor = CollapseMonitor(photographs({"a": 100}), 0, 16, seed=0)
    for start in range(OLD, OLD + 5000, 500):
        assert not any(look(monitor, list(range(start, start + 400, 50)), monitor.z * 0))
        assert monitor.suspicious
        assert not any(look(monitor, [start + 450], monitor.z))
        assert not monitor.suspicious


def test_a_slow_start_is_no_collapse() -> None:
    """A run whose diversity is low but rises, as was seen on dogs, is left alone; one that stays is not."""
    slow = [0.0656, 0.0683, 0.0931, 0.0991, 0.1104, 0.2076]
    monitor = CollapseMonitor(photographs({"a": 100}), 0, 16, seed=0)
    for i, value in enumerate(slow):
        assert not monitor.check(OLD + 105 * i, {"": value})
    flat = [0.011, 0.013, 0.010, 0.012, 0.0125, 0.011, 0.013]
    found = [monitor.check(2 * OLD + 105 * i, {"": value}) for i, value in enumerate(flat)]
    assert [""] in found
    dead = [monitor.check(4 * OLD + 105 * i, {"": 10.0 ** (i - 10)}) for i in range(7)]
    assert [""] not in dead  # it was told already
    other = CollapseMonitor(photographs({"a": 100}), 0, 16, seed=0)
    assert [""] in [other.check(4 * OLD + 105 * i, {"": 10.0 ** (i - 10)}) for i in range(7)]


def test_counting_continues_after_a_resumption() -> None:
    """Low checks before a resumption count."""
    data = photographs({"a": 100})
    before = CollapseMonitor(data, 0, 16, seed=0)
    look(before, LASTING[:-1], before.z * 0)
    after = CollapseMonitor(data, 0, 16, seed=0)
    after.restore(before.state())
    assert look(after, LASTING[-1:], after.z * 0) == [[""]]
    assert after.describe([""], {"": 0.0}, 0.0).startswith("the samples are nearly the same picture")


def test_labels_of_few_or_equal_photographs_are_not_judged() -> None:
    """Where photographs are few a generator repeats itself rightly, and equal ones give no measure."""
    data = photographs({"few": 10, "many": 40, "same": 40})
    data.images[data.labels == 2] = 7
    monitor = CollapseMonitor(data, 3, 16, seed=0)
    assert set(monitor.label.tolist()) == {1}
    assert len(CollapseMonitor(photographs({"few": 10}), 1, 16, seed=0).z) == 0


def test_many_labels_are_judged_by_few_samples_each() -> None:
    """The number of samples stays bounded, and a message names the first few labels."""
    names = {f"label-{i:03d}": 40 for i in range(200)}
    monitor = CollapseMonitor(photographs(names), 200, 16, seed=0)
    assert len(monitor.z) == 200 * 8
    fallen = look(monitor, LASTING, monitor.z * 0)[-1]
    assert len(fallen) == 200
    assert "'label-004' and 195 more are nearly" in monitor.describe(fallen, dict.fromkeys(fallen, 0.0), 0.0)


@pytest.mark.data
def test_the_cars_in_the_box_are_healthy(shared_data: Path, tmp_path: Path) -> None:
    """A trained model is far from an alarm: each label has more than half of the photographs' diversity."""
    options = DataOptions(include=("test/*",), drop_label=("other",))
    data = prepare(shared_data / "cars.tar", tmp_path / "set", size_px=64, options=options).split("test")
    monitor = CollapseMonitor(data, 9, 100, seed=0)
    repository = Path(__file__).parents[3] / "services/generator/model_repository"
    session = onnxruntime.InferenceSession(repository / "cars/1/model.onnx")
    feeds = {"z": monitor.z.numpy(), "label": label_feed(session, monitor.label.numpy())}
    (images,) = session.run(["image"], feeds)
    values = monitor.diversity(torch.from_numpy(np.asarray(images)))
    assert values.keys() == set(data.label_names)
    assert min(values.values()) > 0.5

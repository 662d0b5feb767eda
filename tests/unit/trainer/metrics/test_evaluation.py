"""A whole evaluation of images, of a run and of an exported model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.trainer.conftest import TINY
from tests.unit.trainer.metrics.conftest import LABELS, drawings, write_set
from trainer import runs
from trainer.config import resolve
from trainer.data.dataset import data_record
from trainer.data.sets import PreparedSet
from trainer.export import CardText, export
from trainer.metrics import MetricsError, record
from trainer.metrics.evaluation import evaluate
from trainer.metrics.features import extractor
from trainer.metrics.record import Evaluation
from trainer.metrics.targets import Target, open_target
from trainer.pictures import picture

pytestmark = pytest.mark.training

CPU = torch.device("cpu")
HOG = [extractor("hog")]


def image_folder(folder: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    """Writes images as PNG files in a folder for each label."""
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        file = folder / LABELS[label] / f"{i:04d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(image).save(file)
    return folder


def opened(location: Path, prepared: PreparedSet) -> Target:
    """Returns what lies at a location, to be compared with a set."""
    return open_target(location, prepared.info.size_px, prepared.info.channels, "average", CPU)


def figures(evaluation: Evaluation) -> dict[str, float]:
    """Returns the values by name."""
    return {figure.name: figure.value for figure in evaluation.figures}


@pytest.fixture(scope="module")
def run(drawn_set: PreparedSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps on the drawings."""
    folder = tmp_path_factory.mktemp("runs") / "drawings"
    data = drawn_set.split()
    runs.start(resolve("cgan", None, TINY | {"epochs": 0.1}), data, folder, data_record(data)).train()
    return folder


def test_real_images_score_like_real_images(drawn_set: PreparedSet, tmp_path: Path) -> None:
    """Fresh drawings of the same kind get about the figures that the set's own get, and right labels."""
    folder = image_folder(tmp_path / "fresh", *drawings(180, 5))
    evaluation, _ = evaluate(opened(folder, drawn_set), drawn_set, HOG, n=180)
    assert (evaluation.seeds, evaluation.images, evaluation.images_per_label) == (1, 180, 90)
    values = figures(evaluation)
    real = {figure.name: figure.real for figure in evaluation.figures}
    assert values["fd_hog"] == pytest.approx(real["fd_hog"], rel=0.3)
    assert values["coverage_hog"] > 0.85
    assert values["cas_hog"] > 0.9
    assert values["label_accuracy_hog"] > 0.9
    assert values["copied_share_hog"] < 0.2
    assert evaluation.notes == ()


def test_wrong_labels_show(drawn_set: PreparedSet, tmp_path: Path) -> None:
    """Drawings whose labels are exchanged are as near to the real ones, but their labels are all wrong."""
    images, labels = drawings(180, 5)
    folder = image_folder(tmp_path / "exchanged", images, 1 - labels)
    values = figures(evaluate(opened(folder, drawn_set), drawn_set, HOG, n=180)[0])
    assert values["coverage_hog"] > 0.85
    assert values["cas_hog"] < 0.1
    assert values["label_accuracy_hog"] < 0.1


def test_copies_of_training_images_are_suspected(drawn_set: PreparedSet, tmp_path: Path) -> None:
    """Copies of training images, half of them mirrored, are all found, and shown beside their originals."""
    data = drawn_set.split()
    images = np.array(data.images[:160])
    images[::2] = images[::2, ..., ::-1]
    folder = image_folder(tmp_path / "copies", images, data.labels[:160])
    evaluation, neighbours = evaluate(opened(folder, drawn_set), drawn_set, HOG, n=160)
    assert figures(evaluation)["copied_share_hog"] > 0.99
    assert "as near to a training image" in evaluation.notes[0]
    assert len(neighbours.images) == 160
    for image, i in zip(neighbours.images[:5], neighbours.nearest.index[:5, 0], strict=True):
        assert any(
            np.array_equal(image, original) for original in (data.images[i], data.images[i][..., ::-1])
        )


def test_run_and_export(run: Path, drawn_set: PreparedSet, tmp_path: Path) -> None:
    """A run and its export are measured alike; the second evaluation takes the real figures from the set."""
    evaluation, _ = evaluate(opened(run, drawn_set), drawn_set, HOG, n=150, seeds=2)
    assert (evaluation.kind, evaluation.weights, evaluation.seeds) == ("run", "average", 2)
    assert evaluation.step == 9
    again, _ = evaluate(opened(run, drawn_set), drawn_set, HOG, n=150, seeds=2)
    assert again == evaluation
    model = export(run, tmp_path / "models", CardText("drawings", 1, "", (), ""))
    exported, _ = evaluate(opened(model, drawn_set), drawn_set, HOG, n=150, seeds=2)
    assert exported.notes == ()
    first, second = figures(evaluation), figures(exported)
    assert second["fd_hog"] == pytest.approx(first["fd_hog"], rel=0.1)
    real = [[figure.real for figure in e.figures] for e in (evaluation, exported)]
    assert real[0] == real[1]
    file = evaluation.write(tmp_path)
    assert record.read(file) == evaluation


def test_grey_images_without_a_test_split(tmp_path: Path) -> None:
    """Grey sets work; without a test split labels are not measured, and the reason is said."""
    prepared = write_set(tmp_path / "grey", {"train": drawings(240, 1, channels=1)})
    folder = image_folder(tmp_path / "fresh", *drawings(120, 2, channels=1))
    evaluation, _ = evaluate(opened(folder, prepared), prepared, [extractor("lite0")], n=500)
    assert evaluation.not_measured == dict.fromkeys(
        ("cas", "label_accuracy"), "the set has no test split of at least 100 images"
    )
    values = figures(evaluation)
    assert values["coverage_lite0"] > 0.8
    assert "copied_share_lite0" in values


def test_too_few_images(drawn_set: PreparedSet, tmp_path: Path) -> None:
    """A folder of ten images, and a set of 150, are refused by their numbers."""
    folder = image_folder(tmp_path / "ten", *drawings(10, 5))
    with pytest.raises(MetricsError, match="10 generated images are too few to measure; at least 100"):
        evaluate(opened(folder, drawn_set), drawn_set, HOG)
    small = write_set(tmp_path / "small", {"train": drawings(150, 1)})
    with pytest.raises(MetricsError, match="has 150 training images to compare with; at least 200"):
        evaluate(opened(folder, small), small, HOG)


def test_what_does_not_fit(run: Path, drawn_set: PreparedSet, tmp_path: Path) -> None:
    """A set of another size or other labels, and an empty folder, are refused in a sentence."""
    large = write_set(tmp_path / "large", {"train": drawings(200, 1, size_px=64)})
    with pytest.raises(MetricsError, match="draws images of 32 px and 3 channels, the set holds 64 px and 3"):
        opened(run, large)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MetricsError, match="empty holds no usable image"):
        opened(tmp_path / "empty", drawn_set)
    target = opened(run, drawn_set)
    target.labels = ("disc", "star")
    with pytest.raises(
        MetricsError, match=r"the run draws 'star', which .* does not hold; it holds: disc, st"
    ):
        evaluate(target, drawn_set, HOG)


def test_damaged_record(tmp_path: Path) -> None:
    """A record that is not whole is refused with the advice to evaluate again."""
    (tmp_path / "evaluation.json").write_text('{"target": 1}')
    with pytest.raises(MetricsError, match="is damaged or of another version: evaluate again"):
        record.read(tmp_path / "evaluation.json")

"""Where a quantized model comes from and goes to, without quantizing."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from ganpress.v1.model_card_pb2 import Quantization

from services.generator.errors import IncompleteModelError, RepositoryError, UnknownModelError
from services.generator.models import PACKAGED_MODELS
from services.generator.quantization.fidelity import Fidelity
from services.generator.quantization.variant import card_of, find_model, free_version, write_version
from services.generator.repository import open_folder
from tests.helpers.models import read_card, write_model

FIDELITY = Fidelity(
    images=2,
    psnr_db=np.array([44.0, 40.0]),
    ssim=np.array([0.99, 0.97]),
    max_grey_levels=9,
    distances={"fd_hog": (0.5, 0.4)},
)


def test_find_model(model_root, monkeypatch):
    """A model is found by its version's folder, by its own folder, and one of the package by name."""
    assert find_model(str(model_root / "cars/1")).version == 1
    assert find_model(str(model_root / "cars")).version == 2
    monkeypatch.chdir(model_root / "cars")
    assert find_model("1").card == read_card(model_root / "cars/1")
    assert find_model("dogs").onnx_path.is_relative_to(PACKAGED_MODELS.resolve())


@pytest.mark.parametrize("text", ["zebras", "/no/where/1", "."])
def test_no_such_model(text, tmp_path, monkeypatch):
    """What is no model is refused with what would be."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownModelError, match=r"there is no model .*model of the package \(cars, dogs\)"):
        find_model(text)


def test_incomplete_model(model_root, tmp_path):
    """A version whose graph is another one than its card names is refused."""
    shutil.copytree(model_root / "cars", tmp_path / "cars")
    shutil.copy(model_root / "cars/2/model.onnx", tmp_path / "cars/1/model.onnx")
    with pytest.raises(IncompleteModelError, match="its card says"):
        find_model(str(tmp_path / "cars/1"))


def test_card(model_root):
    """The card is the parent's with digest, figures and origin of its own; the parent's figures are gone."""
    parent = find_model(str(model_root / "cars/2"))
    parent.card.metrics.add(name="fd_lite0", value=1)
    card = card_of(parent, "cars-int8", 3, b"graph", FIDELITY, Quantization(method="by hand"))
    assert (card.name, card.version, card.weights_dtype, card.onnx_bytes) == ("cars-int8", 3, "int8", 5)
    assert card.onnx_sha256 != parent.digest
    assert card.labels == parent.card.labels
    origin = card.quantization
    assert (origin.method, origin.parent_name, origin.parent_version) == ("by hand", "cars", 2)
    assert origin.parent_sha256 == parent.digest
    metrics = {metric.name: metric for metric in card.metrics}
    assert metrics["int8_psnr_db_mean"].value == 42
    assert metrics["int8_psnr_db_min"].value == 40
    assert metrics["int8_fd_hog"].value == 0.5
    assert "same seeds have 0.4" in metrics["int8_fd_hog"].method
    assert "fd_lite0" not in metrics
    assert "another image" in card.limitations[-1]


def test_write_version(model_root, tmp_path):
    """A version is written whole, is read by the repository, and is never written over."""
    parent = find_model(str(model_root / "cars/2"))
    onnx = parent.onnx_path.read_bytes()
    assert free_version(tmp_path, "cars", parent) == 3
    assert free_version(tmp_path, "other", parent) == 1
    card = card_of(parent, "cars", 3, onnx, FIDELITY, Quantization())
    folder = write_version(tmp_path, card, onnx)
    assert read_card(folder) == card
    assert sorted(path.name for path in (tmp_path / "cars").iterdir()) == ["3"]
    repository = open_folder(tmp_path)
    (entry,) = repository.scan()
    assert repository.fetch(entry).card == card
    assert free_version(tmp_path, "cars", parent) == 4
    with pytest.raises(RepositoryError, match=r"cars/3 exists already: choose another version"):
        write_version(tmp_path, card, onnx)
    assert sorted(path.name for path in (tmp_path / "cars").iterdir()) == ["3"]


def test_no_place(model_root, tmp_path):
    """A repository that cannot be written to is named."""
    (tmp_path / "file").touch()
    parent = find_model(str(model_root / "cars/2"))
    card = card_of(parent, "cars", 3, b"", FIDELITY, Quantization())
    with pytest.raises(RepositoryError, match="file/cars/3 cannot be written: Not a directory"):
        write_version(tmp_path / "file", card, b"")


def test_models_of_all_folders(tmp_path):
    """Folders that are no versions do not count."""
    write_model(tmp_path, "cars", 7)
    (tmp_path / "cars/.9").mkdir()
    (tmp_path / "cars/new").mkdir()
    assert find_model(str(tmp_path / "cars")).version == 7

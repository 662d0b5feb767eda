"""Export to ONNX: the real exporter, the real runtime."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from ganpress.v1.model_card_pb2 import ModelCard
from google.protobuf import json_format

from tests.unit.trainer.conftest import TINY
from trainer import export as export_module
from trainer import runs
from trainer.config import resolve
from trainer.data.dataset import data_record
from trainer.data.prepare import prepare
from trainer.export import CardText, ExportError, export

pytestmark = pytest.mark.training

TEXT = CardText("little-cars", 3, "Tiny.", ("Learned nothing.",), "Test use.")


def trained_run(photos: Path, run: Path, preset: str) -> Path:
    """Trains five steps and returns the run's folder."""
    data = prepare(photos, run.parent / "set", size_px=32).split()
    config = resolve(preset, None, TINY | {"epochs": 1.0})
    runs.start(config, data, run, data_record(data)).train()
    return run


@pytest.mark.parametrize("preset", ["cgan", "dcgan"])
def test_export(photos: Path, tmp_path: Path, preset: str) -> None:
    """The folder holds a graph with the promised inputs and a card that describes it; both are exact."""
    folder = export(trained_run(photos, tmp_path / "run", preset), tmp_path / "models", TEXT)
    assert folder == tmp_path / "models/little-cars/3"
    assert sorted(p.name for p in folder.iterdir()) == ["card.json", "model.onnx"]
    card = json_format.Parse((folder / "card.json").read_text(), ModelCard())
    model = (folder / "model.onnx").read_bytes()
    assert card.onnx_sha256 == hashlib.sha256(model).hexdigest()
    assert card.onnx_bytes == len(model)
    assert list(card.labels) == (["coupe", "van"] if preset == "cgan" else [])
    assert (card.output_min, card.output_max) == (-1, 1)
    assert card.training.images_seen == 20
    assert json.loads(card.training.config_json)["seed"] == 0
    assert {m.name for m in card.metrics} == {
        "onnx_max_abs_diff", "float16_max_grey_levels", "float16_psnr_db",
    }  # fmt: skip
    assert str(tmp_path).encode() not in model
    session = onnxruntime.InferenceSession(model)
    names = [i.name for i in session.get_inputs()]
    assert names == (["z", "label"] if preset == "cgan" else ["z"])
    for n in (1, 5):
        feeds = {"z": np.zeros((n, 8), np.float32), "label": np.full((n, 2), 0.5, np.float32)}
        (image,) = session.run(["image"], {name: feeds[name] for name in names})
        assert np.asarray(image).shape == (n, 3, 32, 32)
    with pytest.raises(ExportError, match="exists; choose another --version"):
        export(tmp_path / "run", tmp_path / "models", TEXT)


def test_a_wrong_graph_is_not_written(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When ONNX Runtime does not give PyTorch's images, the export fails and leaves nothing behind."""
    run = trained_run(photos, tmp_path / "run", "cgan")
    write = export_module._write_onnx

    def write_altered(generator: object, path: Path) -> None:
        write(generator, path)  # type: ignore[arg-type]
        model = onnx.load(path)
        weight = max(model.graph.initializer, key=lambda i: len(i.raw_data))
        values = onnx.numpy_helper.to_array(weight) + 0.1
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        onnx.save(model, path)

    monkeypatch.setattr(export_module, "_write_onnx", write_altered)
    with pytest.raises(ExportError, match="differs from PyTorch"):
        export(run, tmp_path / "models", TEXT)
    assert list((tmp_path / "models/little-cars").iterdir()) == []


@pytest.mark.parametrize("name", ["Cars", "my cars", "", "../up"])
def test_model_names(name: str) -> None:
    """A name that could not be a folder and a label value everywhere is refused."""
    with pytest.raises(ExportError, match="lower-case letters, digits and hyphens"):
        CardText(name, 1, "", (), "")

"""Which graphs are run: models are code, and these tests are what hostile ones try."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from services.generator.engine import OnnxEngine
from services.generator.errors import CorruptModelError, IncompleteModelError
from services.generator.graph_file import OPERATORS, check_graph, read_graph
from services.generator.models import PACKAGED_MODELS
from services.generator.onnx_file import operators
from services.generator.repository.local import LocalFolder, find_models
from tests.helpers.models import build_onnx, damaged_model, read_card, write_model

SHAPE = {"z_dim": 12, "labels": 3, "image_size_px": 16, "channels": 3}


def refusal(root: Path) -> str:
    """Returns why the repository's one model is refused."""
    folder = LocalFolder(root)
    (entry,) = folder.scan()
    with pytest.raises(CorruptModelError) as caught:
        folder.fetch(entry)
    assert find_models(root) == []
    return str(caught.value)


@pytest.mark.parametrize(
    "location",
    ["weights", "../weights", "../../../../etc/passwd", "/etc/passwd", "..\\weights", "link", "//host/share"],
)
def test_weights_elsewhere(tmp_path, location):
    """A graph with weights in another file is refused, whether beside it, above it or behind a link."""
    (tmp_path / "secret").write_bytes(bytes(4096))

    def hide(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    folder = damaged_model(tmp_path / "models", hide)
    (folder / "weights").write_bytes(bytes(4096))
    (folder / "link").symlink_to(tmp_path / "secret")
    assert "in another file, which its digest does not cover" in refusal(tmp_path / "models")
    with pytest.raises(CorruptModelError, match="in another file"):
        OnnxEngine(folder / "model.onnx", **SHAPE)


@pytest.mark.parametrize("file", ["model.onnx", "card.json"])
@pytest.mark.parametrize("target", ["absolute", "relative"])
def test_links_out_of_the_repository(tmp_path, file, target):
    """A model's file that is a link out of the repository is not followed."""
    outside = write_model(tmp_path / "elsewhere")
    inside = write_model(tmp_path / "models")
    (inside / file).unlink()
    (inside / file).symlink_to(
        outside / file if target == "absolute" else Path("../../../elsewhere/cars/1") / file
    )
    assert "outside of the repository" in refusal(tmp_path / "models")


def loop(model: onnx.ModelProto) -> None:
    """Computes for ever."""
    yes = helper.make_tensor_value_info("yes", TensorProto.BOOL, [])
    body = helper.make_graph([helper.make_node("Identity", ["yes"], ["on"])], "body", [yes], [yes])
    model.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))


def node(*options: object, **named: object) -> Callable[[onnx.ModelProto], None]:
    """Adds a node to a graph."""
    return lambda model: model.graph.node.append(helper.make_node(*options, **named))


@pytest.mark.parametrize(
    ("damage", "operator"),
    [
        (loop, "Loop"),
        (node("If", ["x"], ["y"]), "If"),
        (node("RandomNormal", [], ["y"], shape=[1]), "RandomNormal"),
        (node("Relu", ["x"], ["y"], domain="my.ops"), "my.ops:Relu"),
        (node("PyOp", [], [], domain="ai.onnx.contrib"), "ai.onnx.contrib:PyOp"),
        (lambda m: m.functions.append(onnx.FunctionProto(node=[onnx.NodeProto(op_type="Loop")])), "Loop"),
        (lambda m: m.graph.node.append(onnx.NodeProto()), ""),
    ],
    ids=["loop", "branch", "chance", "domain", "python", "function", "nameless"],
)
def test_operators_that_are_not_run(tmp_path, damage, operator):
    """A graph with an operator beyond the list is refused by its name before a runtime sees it."""
    folder = damaged_model(tmp_path, damage)
    assert f"has the operator {operator}, which is not run" in refusal(tmp_path)
    with pytest.raises(CorruptModelError, match="which is not run"):
        OnnxEngine(folder / "model.onnx", **SHAPE)


def test_replaced_after_the_check(tmp_path):
    """A file that was replaced between its check and its loading is not run."""
    folder = write_model(tmp_path)
    digest = read_card(folder).onnx_sha256
    OnnxEngine(folder / "model.onnx", **SHAPE, digest=digest)
    (folder / "model.onnx").write_bytes(build_onnx(seed=5).SerializeToString())
    with pytest.raises(IncompleteModelError, match="has the SHA-256"):
        OnnxEngine(folder / "model.onnx", **SHAPE, digest=digest)


def test_gone(tmp_path):
    """A file that has gone is an error that says so."""
    with pytest.raises(IncompleteModelError, match=r"cannot read .*No such file"):
        read_graph(tmp_path / "model.onnx")


@pytest.mark.parametrize("size", [0, 1, 100, 5000])
def test_cut(tmp_path, size):
    """A graph that was cut off is refused, never a crash, even if its card has the digest of what is left."""
    data = build_onnx().SerializeToString()[:size]
    folder = damaged_model(tmp_path, data=data)
    with pytest.raises(CorruptModelError):
        OnnxEngine(folder / "model.onnx", **SHAPE)


def test_list_of_operators():
    """All operators that are run exist in ONNX, and none of them has a graph of its own to run."""
    schemas = {schema.name: schema for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    assert schemas.keys() >= OPERATORS
    graph = onnx.defs.OpSchema.AttrType.GRAPH
    with_graphs = {
        name for name, schema in schemas.items() if any(a.type == graph for a in schema.attributes.values())
    }
    assert {"If", "Loop", "Scan"} <= with_graphs
    assert not with_graphs & OPERATORS


@pytest.mark.parametrize("path", sorted(PACKAGED_MODELS.glob("*/*/model.onnx")), ids=lambda p: p.parts[-3])
def test_models_in_the_box(path):
    """The models in the box have only such operators."""
    check_graph(path.read_bytes(), str(path))
    assert operators(path.read_bytes()) <= OPERATORS

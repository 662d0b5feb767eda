"""Graphs that take label weights."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper

from trainer.label_weights import label_feed, take_label_weights

TABLE = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)


def graph_of(*nodes: onnx.NodeProto) -> ModelProto:
    """A graph from `label` to `image` with a table of three rows."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"])],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 5])],
        [numpy_helper.from_array(TABLE, "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def answer(model: ModelProto, labels: np.ndarray) -> np.ndarray:
    """Runs a graph."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (image,) = session.run(["image"], {"label": label_feed(session, labels)})
    return np.asarray(image)


def test_rows_are_mixed() -> None:
    """One label gives its row of the table bit for bit, weights the sum of the rows by weight."""
    model = graph_of(helper.make_node("Gather", ["table", "label"], ["image"], axis=0))
    take_label_weights(model, 3)
    onnx.checker.check_model(model, full_check=True)
    labels = np.array([2, 0, 1, 2])
    assert np.array_equal(answer(model, labels), TABLE[labels])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (mixed,) = session.run(["image"], {"label": np.array([[0.25, 0, 0.75]], np.float32)})
    assert np.allclose(mixed, TABLE[0] / 4 + TABLE[2] * 3 / 4)


def test_another_use_of_labels_stays() -> None:
    """A graph that computes with a label's number takes numbers as before."""
    model = graph_of(
        helper.make_node("Gather", ["table", "label"], ["row"], axis=0),
        helper.make_node("Cast", ["label"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["number"], ["sum"], keepdims=0),
        helper.make_node("Add", ["row", "sum"], ["image"]),
    )
    before = model.SerializeToString()
    take_label_weights(model, 3)
    assert model.SerializeToString() == before
    assert np.allclose(answer(model, np.array([1, 2])), TABLE[[1, 2]] + 3)

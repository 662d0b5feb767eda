"""Lets an exported graph take the weight of each label in place of one label's index."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, helper


def take_label_weights(model: ModelProto, n_labels: int) -> None:
    """Turns the input `label` from int64 [N] into weights, float32 [N, n_labels].

    What a graph looks up by its label, rows of tables, becomes the sum of all rows by weight: a product of
    matrices. A weight of 1 beside zeros gives that row, bit for bit, so a single label's images stay the
    same, and labels can be mixed. A graph that uses its label in another way stays as it is.
    """
    users = [node for node in model.graph.node if "label" in node.input]
    if not all(_looks_up(node) for node in users):
        return
    for node in users:
        product = helper.make_node("MatMul", ["label", node.input[0]], node.output, node.name)
        node.CopyFrom(product)
    label = next(tensor for tensor in model.graph.input if tensor.name == "label")
    batch = label.type.tensor_type.shape.dim[0].dim_param
    label.CopyFrom(helper.make_tensor_value_info("label", TensorProto.FLOAT, [batch, n_labels]))


def label_feed(session: onnxruntime.InferenceSession, labels: np.ndarray) -> np.ndarray:
    """Returns label indices, int64 [N], as a graph takes them: as they are, or each as a weight of 1."""
    node = next((node for node in session.get_inputs() if node.name == "label"), None)
    if node is None or node.type != "tensor(float)":
        return labels
    return np.eye(node.shape[1], dtype=np.float32)[labels]


def _looks_up(node: NodeProto) -> bool:
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    return node.op_type == "Gather" and axis == 0 and node.input[1] == "label"

"""Graphs made ready for quantization: plain float32 weights, and convolutions in place of transposed ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

from services.generator.errors import CorruptModelError

MIN_OPSET = 13
"""The first in which a quantized weight has a scale for each channel."""


def prepare(model: ModelProto) -> ModelProto:
    """Returns a graph that draws the same images, up to rounding, and can be quantized.

    Weights that are stored in float16 become float32, transposed convolutions become as many convolutions as
    there are phases (`split_transposed`), and tanh(x) becomes 2 sigmoid(2 x) - 1, which OpenVINO computes
    three times as fast.

    Raises:
        CorruptModelError: The operator set is too old.
    """
    opset = next((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), 0)
    if opset < MIN_OPSET:
        raise CorruptModelError(f"it uses opset {opset}: quantization needs {MIN_OPSET} or later")
    prepared = ModelProto()
    prepared.CopyFrom(model)
    _store_as_float32(prepared)
    split_transposed(prepared)
    _write_tanh_as_sigmoid(prepared)
    del prepared.graph.value_info[:]
    return shape_inference.infer_shapes(prepared)


def split_transposed(model: ModelProto) -> None:
    """Replaces each transposed convolution by one convolution a phase, and puts their pixels in turn.

    With a stride of 2, the pixels of odd rows need other weights than those of even ones, the same for
    columns: four convolutions of the input, each with a quarter of the weights, give a quarter of the pixels
    each (Shi et al. 2016, arXiv 1609.07009). The sums are the same and as many. Runtimes have fast int8
    kernels for convolutions on every CPU, for transposed ones on few.

    Those with groups, dilations or a size that is not the stride's multiple stay as they are.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        split = _split(node, weights) if node.op_type == "ConvTranspose" else None
        if split:
            nodes += split[0]
            model.graph.initializer.extend(split[1])
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _split(
    node: NodeProto, weights: dict[str, TensorProto]
) -> tuple[list[NodeProto], list[TensorProto]] | None:
    """Returns the nodes and weights in place of a transposed convolution, None where it has to stay."""
    options: dict[str, Any] = {
        attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute
    }
    if node.input[1] not in weights:
        return None
    kernel = numpy_helper.to_array(weights[node.input[1]])  # [in, out, height, width]
    if kernel.ndim != 4 or options.get("group", 1) != 1 or options.get("auto_pad", b"NOTSET") != b"NOTSET":
        return None
    pads, strides = options.get("pads", [0] * 4), options.get("strides", [1, 1])
    extra = options.get("output_padding", [0, 0])
    if strides[0] != strides[1] or set(options.get("dilations", [1])) != {1} or "output_shape" in options:
        return None
    axes = [
        _phases(kernel.shape[2 + axis], strides[axis], pads[axis], pads[2 + axis], extra[axis])
        for axis in range(2)
    ]
    if not axes[0] or not axes[1] or strides[0] == 1:
        return None
    nodes: list[NodeProto] = []
    tensors: list[TensorProto] = []
    for row, (rows, above, below) in enumerate(axes[0]):
        for column, (columns, left, right) in enumerate(axes[1]):
            name = f"{node.output[0]}_phase{row}{column}"
            part = np.ascontiguousarray(kernel[:, :, rows][:, :, :, columns].transpose(1, 0, 2, 3))
            tensors.append(numpy_helper.from_array(part, f"{name}_weight"))
            inputs = [node.input[0], f"{name}_weight", *node.input[2:]]
            nodes.append(
                helper.make_node(
                    "Conv",
                    inputs,
                    [name],
                    name=name,
                    kernel_shape=part.shape[2:],
                    pads=[above, left, below, right],
                )
            )
    phases = [part.output[0] for part in nodes]
    stacked = f"{node.output[0]}_phases"
    nodes.append(helper.make_node("Concat", phases, [stacked], name=stacked, axis=1))
    nodes.append(
        helper.make_node(
            "DepthToSpace",
            [stacked],
            [node.output[0]],
            name=f"{node.output[0]}_pixels",
            blocksize=strides[0],
            mode="DCR",
        )
    )
    return nodes, tensors


def _phases(
    size: int, stride: int, pad_before: int, pad_after: int, extra: int
) -> list[tuple[list[int], int, int]] | None:
    """Returns, along one axis, each phase's weights in order and padding before and after; None: impossible.

    Output stride * m + phase is the sum of input m + q - t times weight (phase + pad) % stride + stride * t,
    where q = (phase + pad) // stride.
    """
    if size - pad_before - pad_after + extra != stride:
        return None
    phases: list[tuple[list[int], int, int]] = []
    for phase in range(stride):
        shift, first = divmod(phase + pad_before, stride)
        taken = list(range(first, size, stride))[::-1]
        before = len(taken) - 1 - shift
        if not taken or before < 0:
            return None
        phases.append((taken, before, shift))
    return phases


def _write_tanh_as_sigmoid(model: ModelProto) -> None:
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        if node.op_type != "Tanh":
            nodes.append(node)
            continue
        (x,), (y,) = node.input, node.output
        two, one, doubled, sigmoid, wide = (
            f"{y}_{part}" for part in ("two", "one", "2x", "sigmoid", "0_to_2")
        )
        model.graph.initializer.append(numpy_helper.from_array(np.array(2, np.float32), two))
        model.graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), one))
        nodes += [
            helper.make_node("Mul", [x, two], [doubled], name=doubled),
            helper.make_node("Sigmoid", [doubled], [sigmoid], name=sigmoid),
            helper.make_node("Mul", [sigmoid, two], [wide], name=wide),
            helper.make_node("Sub", [wide, one], [y], name=y),
        ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _store_as_float32(model: ModelProto) -> None:
    """Does away with the casts that follow weights stored in float16."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in weights and _casts_to_float(node):
            values: NDArray[Any] = numpy_helper.to_array(weights[node.input[0]]).astype(np.float32)
            tensor = numpy_helper.from_array(values, node.output[0])
            weights[node.output[0]] = tensor
            model.graph.initializer.append(tensor)
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _casts_to_float(node: NodeProto) -> bool:
    return any(entry.name == "to" and entry.i == onnx.TensorProto.FLOAT for entry in node.attribute)

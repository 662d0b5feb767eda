"""Graphs made ready for quantization draw the same images."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from services.generator.errors import CorruptModelError
from services.generator.quantization.graph import prepare, split_transposed
from tests.helpers.models import build_onnx


def outputs(model: onnx.ModelProto, **inputs: np.ndarray) -> np.ndarray:
    """What a graph answers."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def operators(model: onnx.ModelProto) -> list[str]:
    """The operators of a graph."""
    return [node.op_type for node in model.graph.node]


@settings(max_examples=60)
@given(
    st.data(),
    st.integers(2, 4),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from([(3, 3), (3, 5), (1, 4)]),
)
def test_phases_are_the_transposed_convolution(data, stride, channels, has_bias, size):
    """Split or left alone, a transposed convolution gives the same numbers, whatever its size and padding."""
    kernel = [data.draw(st.integers(1, 6)) for _ in range(2)]
    pads = [data.draw(st.integers(0, 2)) for _ in range(4)]
    extra = [data.draw(st.integers(0, stride - 1)) for _ in range(2)]
    if data.draw(st.booleans()):  # the output is a multiple of the input: it is split
        kernel = [stride + pads[i] + pads[2 + i] - extra[i] for i in range(2)]
    random = np.random.default_rng(0)
    weights = [numpy_helper.from_array(random.normal(size=(2, channels, *kernel)).astype(np.float32), "w")]
    if has_bias:
        weights.append(numpy_helper.from_array(random.normal(size=channels).astype(np.float32), "b"))
    node = helper.make_node(
        "ConvTranspose",
        ["x", "w", *(["b"] if has_bias else [])],
        ["y"],
        strides=[stride] * 2,
        pads=pads,
        output_padding=extra,
    )
    shape = [(size[i] - 1) * stride + extra[i] + kernel[i] - pads[i] - pads[2 + i] for i in range(2)]
    if min(shape) < 1:
        return
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, *size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", channels, *shape])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    x = random.normal(size=(2, 2, *size)).astype(np.float32)
    expected = outputs(model, x=x)
    split_transposed(model)
    np.testing.assert_allclose(outputs(model, x=x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mixes_labels", [False, True])
def test_prepared_graph(mixes_labels):
    """A generator's graph loses casts, transposed convolutions and tanh, and draws the same images."""
    model = build_onnx(mixes_labels=mixes_labels)
    prepared = prepare(model)
    assert not {"Cast", "ConvTranspose", "Tanh"} & set(operators(prepared))
    assert operators(prepared).count("Conv") == 4 * operators(model).count("ConvTranspose")
    z = np.random.default_rng(1).normal(size=(3, 12)).astype(np.float32)
    label = np.eye(3, dtype=np.float32) if mixes_labels else np.arange(3)
    assert np.abs(outputs(prepared, z=z, label=label) - outputs(model, z=z, label=label)).max() < 1e-5


def test_old_opset():
    """A graph whose operator set has no scales by channel is refused with what is needed."""
    model = build_onnx()
    model.opset_import[0].version = 12
    with pytest.raises(CorruptModelError, match="uses opset 12: quantization needs 13 or later"):
        prepare(model)

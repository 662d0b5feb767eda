"""What is checked of an ONNX file before it is opened."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from services.generator.onnx_file import NotOnnxError, explain, external_tensors, operators
from tests.helpers.models import build_onnx

SOUND = build_onnx()


def tensor(name: str = "hidden") -> TensorProto:
    """A tensor whose values lie in a file."""
    result = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    result.external_data.add(key="location", value="/etc/passwd")
    return result


def subgraph() -> onnx.GraphProto:
    """A graph with such a tensor."""
    return helper.make_graph([], "inner", [], [], [tensor()])


def node_with(**attribute: Any) -> onnx.NodeProto:
    """A node with one attribute."""
    node = onnx.NodeProto(op_type="Constant")
    node.attribute.add(name="value", **attribute)
    return node


def deep(depth: int) -> onnx.GraphProto:
    """A graph in a node of a graph in a node ..."""
    graph = subgraph()
    for _ in range(depth):
        outer = onnx.GraphProto()
        outer.node.add().attribute.add(g=graph)
        graph = outer
    return graph


PLACES = {
    "initializer": lambda m: m.graph.initializer.append(tensor()),
    "constant": lambda m: m.graph.node.append(node_with(t=tensor())),
    "constants": lambda m: m.graph.node.append(node_with(tensors=[tensor("a"), tensor()])),
    "branch": lambda m: m.graph.node.append(node_with(g=subgraph())),
    "branches": lambda m: m.graph.node.append(node_with(graphs=[subgraph()])),
    "nested": lambda m: m.graph.node.append(node_with(g=deep(5))),
    "sparse values": lambda m: m.graph.sparse_initializer.add(values=tensor()),
    "sparse indices": lambda m: m.graph.sparse_initializer.add(indices=tensor()),
    "sparse constant": lambda m: m.graph.node.append(
        node_with(sparse_tensor=onnx.SparseTensorProto(values=tensor()))
    ),
    "sparse constants": lambda m: m.graph.node.append(
        node_with(sparse_tensors=[onnx.SparseTensorProto(values=tensor())])
    ),
    "function": lambda m: m.functions.append(onnx.FunctionProto(node=[node_with(t=tensor())])),
    "function's default": lambda m: m.functions.add().attribute_proto.add(t=tensor()),
    "location alone": lambda m: m.graph.initializer.add(
        name="hidden", data_location=TensorProto.EXTERNAL
    ),
}  # fmt: skip


def test_sound_file():
    """A file that has all its weights needs no other."""
    assert external_tensors(SOUND.SerializeToString()) == []


@pytest.mark.parametrize("place", PLACES)
def test_external_tensor(place):
    """A tensor in another file is found wherever ONNX allows a tensor, and named."""
    model = onnx.ModelProto()
    model.CopyFrom(SOUND)
    PLACES[place](model)
    assert external_tensors(model.SerializeToString())[-1] == "hidden"


def test_too_deep():
    """Graphs in graphs are followed as deep as protobuf allows, then refused."""
    data = tensor().SerializeToString()
    for tag in (0x2A, *(0x32, 0x2A, 0x0A) * 80, 0x3A):  # initializer, graph of attribute of node, graph
        size = len(data)
        data = bytes([tag, size & 0x7F | 0x80, size >> 7]) + data
    with pytest.raises(NotOnnxError):
        external_tensors(data)


@given(st.binary(max_size=300))
def test_any_bytes(data):
    """Bytes are searched or refused, whatever they are."""
    with suppress(NotOnnxError):
        external_tensors(data)


@given(st.data())
def test_damaged_file(data):
    """A file that is cut or altered is searched or refused."""
    onnx_file = bytearray(SOUND.SerializeToString())
    at = data.draw(st.integers(0, len(onnx_file) - 1))
    onnx_file[at] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(onnx_file)))
    with suppress(NotOnnxError):
        external_tensors(bytes(onnx_file[:end]))


OPERATOR_PLACES = {
    "node": lambda m, node: m.graph.node.append(node),
    "branch": lambda m, node: m.graph.node.append(node_with(g=onnx.GraphProto(node=[node]))),
    "branches": lambda m, node: m.graph.node.append(node_with(graphs=[onnx.GraphProto(node=[node])])),
    "function": lambda m, node: m.functions.append(onnx.FunctionProto(node=[node])),
    "function's default": lambda m, node: m.functions.add().attribute_proto.add(
        g=onnx.GraphProto(node=[node])
    ),
}


@pytest.mark.parametrize("place", OPERATOR_PLACES)
def test_operator(place):
    """An operator is found wherever ONNX allows a node, one of another domain with its domain."""
    for node, name in (
        (onnx.NodeProto(op_type="Loop"), "Loop"),
        (onnx.NodeProto(op_type="Evil", domain="my.ops"), "my.ops:Evil"),
        (onnx.NodeProto(op_type="Scan", domain="ai.onnx"), "Scan"),
    ):
        model = onnx.ModelProto()
        model.CopyFrom(SOUND)
        OPERATOR_PLACES[place](model, node)
        assert operators(model.SerializeToString()) - {"Constant"} == operators(SOUND.SerializeToString()) | {
            name
        }


def opened(model: onnx.ModelProto) -> str:
    """Returns what is explained of ONNX Runtime's refusal."""
    with pytest.raises(Exception, match="ONNXRuntimeError") as caught:
        cast("Any", onnxruntime).InferenceSession(model.SerializeToString())
    return explain(caught.value)


def test_explanations():
    """Of ONNX Runtime's errors a user is told the reason in one line."""
    newer = build_onnx()
    newer.opset_import[0].version = 99
    assert opened(newer).startswith("it uses opset 99, ONNX Runtime runs up to ")
    older = build_onnx()
    older.opset_import[0].version = 5
    assert opened(older) == "opset 5 has no operator OneHot"
    newer = build_onnx()
    newer.ir_version = 99
    assert opened(newer).startswith("its format (IR) has version 99, ONNX Runtime reads up to ")
    other = build_onnx()
    other.graph.node[1].domain = "my.ops"
    other.opset_import.add(domain="my.ops", version=1)
    assert opened(other) == "its operator my.ops:Concat is not known"
    assert opened(onnx.ModelProto()) == "it is not an ONNX file"
    assert explain(ValueError("[ONNXRuntimeError] : 1 : FAIL : so\n it is")) == "so it is"

"""What is checked of an ONNX file before ONNX Runtime opens it, and what its errors mean.

An ONNX file is one protobuf message, `onnx.ModelProto`. It may name other files that hold its weights: the
model's digest does not cover them, and their paths may lead anywhere on the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MAX_DEPTH = 100  # of messages in messages, protobuf's own limit

# The fields that hold messages in which there may be tensors or nodes, by number (onnx.proto).
_FIELDS: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
}
_TENSOR_NAME, _TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 8, 13, 14
_NODE_OPERATOR, _NODE_DOMAIN = 4, 7
_OWN_DOMAINS = (b"", b"ai.onnx")

_EXPLANATIONS = (
    (
        r"Opset (\d+) is under development.* till opset (\d+)",
        "it uses opset {0}, ONNX Runtime runs up to {1}",
    ),
    (
        r"Unsupported model IR version: (\d+), max supported IR version: (\d+)",
        "its format (IR) has version {0}, ONNX Runtime reads up to {1}",
    ),
    (r"No Op registered for (\S+) with domain_version of (\d+)", "opset {1} has no operator {0}"),
    (r"(\S+)\(-?\d+\) is not a registered function/op", "its operator {0} is not known"),
    (r"protobuf parsing failed|No graph was found", "it is not an ONNX file"),
)


class NotOnnxError(Exception):
    """The bytes are not a protobuf message."""


def external_tensors(onnx: bytes) -> list[str]:
    """Returns the names of the tensors whose values lie in other files.

    Raises:
        NotOnnxError: The bytes are not an ONNX file.
    """
    return [
        _text(values.get(_TENSOR_NAME))
        for kind, message in _messages(memoryview(onnx), "Model", 0)
        if kind == "Tensor"
        for values in [dict(_fields(message))]
        if values.get(_TENSOR_DATA_LOCATION) or _TENSOR_EXTERNAL_DATA in values
    ]


def operators(onnx: bytes) -> set[str]:
    """Returns the operators of all nodes, wherever there are nodes; one of another domain with its domain.

    Raises:
        NotOnnxError: The bytes are not an ONNX file.
    """
    found: set[str] = set()
    for kind, message in _messages(memoryview(onnx), "Model", 0):
        if kind == "Node":
            values = dict(_fields(message))
            domain, name = values.get(_NODE_DOMAIN, b""), _text(values.get(_NODE_OPERATOR))
            found.add(name if domain in _OWN_DOMAINS else f"{_text(domain)}:{name}")
    return found


def explain(error: Exception) -> str:
    """Returns why ONNX Runtime did not load a file, in one line and without places in its source."""
    text = " ".join(str(error).split())
    for pattern, explanation in _EXPLANATIONS:
        if found := re.search(pattern, text):
            return explanation.format(*found.groups())
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)


def _messages(message: memoryview, kind: str, depth: int) -> Iterator[tuple[str, memoryview]]:
    """Yields kind and bytes of a message and of those in it that may lead to tensors and nodes."""
    if depth > _MAX_DEPTH:
        raise NotOnnxError
    yield kind, message
    for number, value in _fields(message):
        if number in _FIELDS.get(kind, {}) and not isinstance(value, int):
            yield from _messages(value, _FIELDS[kind][number], depth + 1)


def _text(value: int | memoryview | bytes | None) -> str:
    return "" if value is None or isinstance(value, int) else bytes(value).decode(errors="replace")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yields number and value of a message's fields: an integer, or the bytes of anything longer."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        match tag & 7:
            case 0:
                value, at = _varint(message, at)
                yield tag >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, at = _varint(message, at)
            case 5:
                size = 4
            case _:  # groups are not used, the others do not exist
                raise NotOnnxError
        if size > len(message) - at:
            raise NotOnnxError
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Returns the number that begins at `at`, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at == len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise NotOnnxError

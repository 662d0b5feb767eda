"""Tensors of the protocol to arrays and back."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from ganpress.inference import grpc_service_pb2 as pb
from numpy.typing import NDArray

from services.generator.errors import RequestError

DataType = Literal["FP32", "INT64", "UINT8", "BYTES"]

_DTYPES: dict[str, np.dtype[Any]] = {
    "FP32": np.dtype("<f4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("u1"),
}
_CONTENTS = {"FP32": "fp32_contents", "INT64": "int64_contents", "BYTES": "bytes_contents"}


def read_inputs(
    request: pb.ModelInferRequest, accepted: Mapping[str, Sequence[DataType]]
) -> dict[str, NDArray[Any]]:
    """Returns the inputs of a request by their name.

    Args:
        request: With the elements in raw_input_contents, or in the inputs' own contents.
        accepted: The data types that each input may have.

    Returns:
        Arrays of the shapes in the request; elements of BYTES are `bytes` objects. They may share the
        request's memory and cannot be written to.

    Raises:
        RequestError: A name or data type is not accepted, or shape and elements do not fit together.
    """
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise RequestError(f"{len(request.inputs)} inputs need as many raw_input_contents, not {len(raw)}")
    arrays: dict[str, NDArray[Any]] = {}
    for number, tensor in enumerate(request.inputs):
        name = tensor.name
        if name not in accepted:
            raise RequestError(f"there is no input {name!r}; the inputs are {', '.join(accepted)}")
        if name in arrays:
            raise RequestError(f"input {name!r} is given twice")
        if tensor.datatype not in accepted[name]:
            raise RequestError(
                f"input {name!r} has to be {' or '.join(accepted[name])}, not {tensor.datatype!r}"
            )
        if tensor.parameters:
            raise RequestError(
                f"input {name!r} has the parameter {min(tensor.parameters)!r}: inputs have none here, "
                "shared memory is not supported"
            )
        if min(tensor.shape, default=0) < 0:
            raise RequestError(f"input {name!r} has the shape {list(tensor.shape)}: no axis may be negative")
        if raw and tensor.HasField("contents"):
            raise RequestError(f"input {name!r} has contents although raw_input_contents are used")
        arrays[name] = _from_raw(tensor, raw[number]) if raw else _from_contents(tensor)
    return arrays


def add_output(response: pb.ModelInferResponse, name: str, parts: Sequence[NDArray[Any]]) -> None:
    """Adds an output to a response, its elements raw.

    Args:
        response: Where to.
        name: Of the output.
        parts: The rows, float32, int64 or uint8, contiguous; at least one part.
    """
    datatype = next(key for key, dtype in _DTYPES.items() if dtype == parts[0].dtype)
    response.outputs.add(
        name=name, datatype=datatype, shape=[sum(len(part) for part in parts), *parts[0].shape[1:]]
    )
    response.raw_output_contents.append(b"".join(part.data for part in parts))


def _from_raw(tensor: pb.ModelInferRequest.InferInputTensor, data: bytes) -> NDArray[Any]:
    shape, count = list(tensor.shape), math.prod(tensor.shape)
    if tensor.datatype == "BYTES":
        return _objects(_split(tensor.name, data), shape, tensor.name)
    dtype = _DTYPES[tensor.datatype]
    if len(data) != count * dtype.itemsize:
        raise RequestError(
            f"input {tensor.name!r} has {len(data)} bytes, its shape {shape} of {tensor.datatype} needs "
            f"{count * dtype.itemsize}"
        )
    return np.frombuffer(data, dtype).reshape(shape)


def _from_contents(tensor: pb.ModelInferRequest.InferInputTensor) -> NDArray[Any]:
    field = _CONTENTS[tensor.datatype]
    used = [descriptor.name for descriptor, _ in tensor.contents.ListFields()]
    if used not in ([], [field]):
        raise RequestError(
            f"input {tensor.name!r} of {tensor.datatype} has to have its elements in {field}, not in "
            f"{', '.join(name for name in used if name != field)}"
        )
    elements: Sequence[Any] = getattr(tensor.contents, field)
    shape = list(tensor.shape)
    if tensor.datatype == "BYTES":
        return _objects(elements, shape, tensor.name)
    if len(elements) != math.prod(shape):
        raise _wrong_count(tensor.name, len(elements), shape)
    return np.array(elements, _DTYPES[tensor.datatype]).reshape(shape)


def _objects(elements: Sequence[bytes], shape: Sequence[int], name: str) -> NDArray[Any]:
    if len(elements) != math.prod(shape):
        raise _wrong_count(name, len(elements), shape)
    array = np.empty(len(elements), object)
    array[:] = elements
    return array.reshape(shape)


def _wrong_count(name: str, count: int, shape: Sequence[int]) -> RequestError:
    return RequestError(
        f"input {name!r} has {count} elements, its shape {list(shape)} needs {math.prod(shape)}"
    )


def _split(name: str, data: bytes) -> list[bytes]:
    """Returns the elements of a raw BYTES tensor, each of which follows its length in 4 bytes."""
    elements: list[bytes] = []
    start = 0
    while start < len(data):
        if start + 4 > len(data):
            raise RequestError(f"input {name!r} ends within the length of its element {len(elements)}")
        (length,) = struct.unpack_from("<I", data, start)
        start += 4 + length
        if start > len(data):
            raise RequestError(f"input {name!r} ends within its element {len(elements)}")
        elements.append(data[start - length : start])
    return elements

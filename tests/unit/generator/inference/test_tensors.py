"""Tensors: whatever the protocol can carry is read as it was written, anything else is refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from ganpress.inference import grpc_service_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from services.generator.errors import RequestError
from services.generator.inference.tensors import add_output, read_inputs

ACCEPTED = {"z": ["FP32"], "label": ["INT64", "BYTES"]}
SHAPES = numpy_st.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)
FLOATS = numpy_st.arrays(np.float32, SHAPES, elements=st.floats(width=32))
LABELS = numpy_st.arrays(np.int64, SHAPES)


def request(z: np.ndarray, label: np.ndarray, *, raw: bool) -> pb.ModelInferRequest:
    """A request with both inputs, the elements raw or in the tensors."""
    message = pb.ModelInferRequest()
    message.inputs.add(name="z", datatype="FP32", shape=z.shape)
    message.inputs.add(name="label", datatype="INT64", shape=label.shape)
    if raw:
        message.raw_input_contents.extend([z.tobytes(), label.tobytes()])
    else:
        message.inputs[0].contents.fp32_contents.extend(z.ravel().tolist())
        message.inputs[1].contents.int64_contents.extend(label.ravel().tolist())
    return pb.ModelInferRequest.FromString(message.SerializeToString())


@given(FLOATS, LABELS, st.booleans())
def test_numbers(z, label, raw):
    """Numbers of any shape are read bit by bit, raw or typed."""
    arrays = read_inputs(request(z, label, raw=raw), ACCEPTED)
    np.testing.assert_array_equal(arrays["z"], z)
    np.testing.assert_array_equal(arrays["label"], label)
    assert (arrays["z"].dtype, arrays["label"].dtype) == (np.float32, np.int64)


@given(st.lists(st.binary(max_size=20), max_size=6), st.booleans())
def test_bytes(elements, raw):
    """Texts of any length are read, raw or typed."""
    message = pb.ModelInferRequest()
    message.inputs.add(name="label", datatype="BYTES", shape=[len(elements)])
    if raw:
        joined = b"".join(struct.pack("<I", len(element)) + element for element in elements)
        message.raw_input_contents.append(joined)
    else:
        message.inputs[0].contents.bytes_contents.extend(elements)
    assert read_inputs(message, ACCEPTED)["label"].tolist() == elements


@given(
    st.sampled_from(["FP32", "INT64", "BYTES"]),
    st.lists(st.integers(-2, 4), max_size=3),
    st.binary(max_size=64),
)
def test_any_bytes(datatype, shape, data):
    """Any bytes of any shape are an array of that shape, or refused."""
    message = pb.ModelInferRequest(raw_input_contents=[data])
    message.inputs.add(name="x", datatype=datatype, shape=shape)
    try:
        array = read_inputs(message, {"x": ["FP32", "INT64", "BYTES"]})["x"]
    except RequestError:
        return
    assert array.shape == tuple(shape)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.sampled_from([np.float32, np.int64, np.uint8]))
def test_output(rows, dtype):
    """An output is its parts one after the other, with the type and shape of the whole."""
    random = np.random.default_rng(0)
    parts = [random.integers(0, 100, (count, 2, 3)).astype(dtype) for count in rows]
    response = pb.ModelInferResponse()
    add_output(response, "image", parts)
    (tensor,) = response.outputs
    assert tensor.datatype == {np.float32: "FP32", np.int64: "INT64", np.uint8: "UINT8"}[dtype]
    whole = np.frombuffer(response.raw_output_contents[0], dtype).reshape(tensor.shape)
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def tensor(name="z", datatype="FP32", shape=(1, 2), **fields) -> pb.ModelInferRequest.InferInputTensor:
    """An input, by default [[_, _]] of z."""
    return pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape, **fields)


FP32 = pb.InferTensorContents(fp32_contents=[1, 2])
REFUSED = {
    "no input 'y'; the inputs are z, label": ([tensor("y")], [bytes(8)]),
    "'z' is given twice": ([tensor(contents=FP32), tensor(contents=FP32)], []),
    "'z' has to be FP32, not 'FP64'": ([tensor(datatype="FP64")], [bytes(16)]),
    "'label' has to be INT64 or BYTES, not ''": ([tensor("label", "")], [bytes(8)]),
    "1 inputs need as many raw_input_contents, not 2": ([tensor()], [bytes(8), bytes(8)]),
    "has contents although raw_input_contents are used": ([tensor(contents=FP32)], [bytes(8)]),
    r"'z' has the shape \[-1, 2\]: no axis may be negative": ([tensor(shape=[-1, 2])], [bytes(8)]),
    r"'z' has 7 bytes, its shape \[1, 2\] of FP32 needs 8": ([tensor()], [bytes(7)]),
    r"'z' has 2 elements, its shape \[3\] needs 3": ([tensor(shape=[3], contents=FP32)], []),
    r"'z' has 0 elements, its shape \[1, 2\] needs 2": ([tensor()], []),
    "'label' of INT64 has to have its elements in int64_contents, not in fp32_contents": (
        [tensor("label", "INT64", [2], contents=FP32)],
        [],
    ),
    "'label' ends within the length of its element 0": ([tensor("label", "BYTES", [1])], [bytes(3)]),
    "'label' ends within its element 1": (
        [tensor("label", "BYTES", [2])],
        [struct.pack("<I", 1) + b"a" + struct.pack("<I", 9) + b"b"],
    ),
    "has the parameter 'shared_memory_region': inputs have none here": (
        [tensor(parameters={"shared_memory_region": pb.InferParameter(string_param="r")})],
        [],
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refusal(message):
    """What is not acceptable is refused with a sentence that says what would be."""
    inputs, raw = REFUSED[message]
    with pytest.raises(RequestError, match=message):
        read_inputs(pb.ModelInferRequest(inputs=inputs, raw_input_contents=raw), ACCEPTED)

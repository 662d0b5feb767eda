"""Requests of the Open Inference Protocol, and what comes of them."""

from __future__ import annotations

import numpy as np
from ganpress.inference import grpc_service_pb2 as pb


def parameter(value: object) -> pb.InferParameter:
    """A value as a parameter."""
    match value:
        case bool():
            return pb.InferParameter(bool_param=value)
        case int():
            return (
                pb.InferParameter(int64_param=value)
                if value < 2**63
                else pb.InferParameter(uint64_param=value)
            )
        case float():
            return pb.InferParameter(double_param=value)
        case _:
            return pb.InferParameter(string_param=str(value))


def request(
    model: str = "cars",
    *,
    z: np.ndarray | None = None,
    label: np.ndarray | None = None,
    version: str = "",
    outputs: dict[str, dict[str, object]] | None = None,
    name: str = "",
    **parameters: object,
) -> pb.ModelInferRequest:
    """A request with raw inputs and parameters."""
    message = pb.ModelInferRequest(model_name=model, model_version=version, id=name)
    for key, array in (("z", z), ("label", label)):
        if array is not None:
            datatype = {np.dtype(np.float32): "FP32", np.dtype(np.int64): "INT64"}[array.dtype]
            message.inputs.add(name=key, datatype=datatype, shape=array.shape)
            message.raw_input_contents.append(array.tobytes())
    for key, own in (outputs or {}).items():
        message.outputs.add(name=key, parameters={k: parameter(v) for k, v in own.items()})
    for key, value in parameters.items():
        message.parameters[key].CopyFrom(parameter(value))
    return message


def output(response: pb.ModelInferResponse, name: str = "image") -> np.ndarray:
    """An output as an array."""
    dtypes = {"FP32": np.float32, "UINT8": np.uint8, "INT64": np.int64}
    for tensor, data in zip(response.outputs, response.raw_output_contents, strict=True):
        if tensor.name == name:
            return np.frombuffer(data, dtypes[tensor.datatype]).reshape(tensor.shape)
    raise AssertionError(f"no output {name}")


def samples(images: np.ndarray) -> np.ndarray:
    """Images of the graph, FP32 [N, C, H, W], as samples (docs/noise.md)."""
    return np.rint(np.clip((images + 1) * np.float32(127.5), 0, 255)).astype(np.uint8).transpose(0, 2, 3, 1)

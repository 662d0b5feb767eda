"""A generated image's samples before rounding, from a generator over the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ganpress.inference import grpc_service_pb2 as pb
from ganpress.v1.generator_service_pb2 import ModelSummary
from numpy.typing import NDArray

from client.errors import InputError

if TYPE_CHECKING:
    from services.compressor.codecs.seed import Origin


def model_of(origin: Origin, models: Sequence[ModelSummary]) -> ModelSummary:
    """Returns the model that an image comes from.

    Raises:
        InputError: It is not among the models, or does not have the label.
    """
    model = next((model for model in models if model.digest.startswith(origin.model_digest)), None)
    if model is None:
        others = ", ".join(f"{model.name} {model.version} ({model.digest[:8]}...)" for model in models)
        raise InputError(
            f"the generator has no model with the digest {origin.model_digest[:16]}... that draws the image; "
            f"it has {others or 'none'}"
        )
    if bool(model.labels) != bool(origin.label) or (origin.label and origin.label not in model.labels):
        raise InputError(
            f"model {model.name!r} has no label {origin.label!r}; its labels are "
            f"{', '.join(model.labels) or 'none'}"
        )
    return model


def infer_request(origin: Origin, model: ModelSummary) -> pb.ModelInferRequest:
    """Returns the request for what the graph gives for one image."""
    request = pb.ModelInferRequest(model_name=model.name, model_version=str(model.version))
    request.parameters["seed"].uint64_param = origin.seed
    request.parameters["truncation"].double_param = origin.truncation
    if origin.label:
        label = request.inputs.add(name="label", datatype="BYTES", shape=[1])
        label.contents.bytes_contents.append(origin.label.encode())
    request.outputs.add(name="image")
    return request


def samples_of(response: pb.ModelInferResponse) -> NDArray[np.float32]:
    """Returns the samples before rounding, float32 [height, width, channels], nominally 0..255.

    The steps are those of docs/noise.md, in binary32, so that rounding gives what the generator gives.
    """
    graph = np.frombuffer(response.raw_output_contents[0], "<f4").reshape(response.outputs[0].shape)
    return np.ascontiguousarray(((graph[0] + np.float32(1)) * np.float32(127.5)).transpose(1, 2, 0))

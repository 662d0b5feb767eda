"""What a model is and how it is served, in the protocol's words."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ganpress.inference import grpc_service_pb2 as pb
from ganpress.inference import model_config_pb2 as config_pb

from services.generator.inference.asked import max_rows
from services.generator.models import Model
from services.generator.runtimes import precision
from services.generator.served import ServedModel

PLATFORM = "onnxruntime_onnx"


@dataclass(frozen=True)
class Limits:
    """How the server schedules."""

    max_count: int
    """Most images in a request."""
    max_batch_size: int
    """Most images in one run of a model."""
    max_queue_delay_ms: float
    """Longest that a request is held back for company."""
    queue_size: int
    """Most images of a model under way."""
    threads: int
    """Batches that may run at the same time on the CPU."""


def model_metadata(model: Model, versions: list[int]) -> pb.ModelMetadataResponse:
    """Returns a model's tensors; axis 0 is the image's number."""
    card = model.card
    size_px = card.image_size_px
    tensor = pb.ModelMetadataResponse.TensorMetadata
    label = [tensor(name="label", datatype="INT64", shape=[-1, 1])] if model.labels else []
    return pb.ModelMetadataResponse(
        name=model.name,
        versions=[str(version) for version in sorted(versions)],
        platform=PLATFORM,
        inputs=[tensor(name="z", datatype="FP32", shape=[-1, card.z_dim]), *label],
        outputs=[
            tensor(name="image", datatype="FP32", shape=[-1, card.channels, size_px, size_px]),
            *label,
        ],
    )


def model_config(served: ServedModel, limits: Limits) -> config_pb.ModelConfig:
    """Returns how a model is served; shapes are without the axis of the images."""
    model, card = served.model, served.model.card
    on_cpu = served.engine.on_cpu
    config = config_pb.ModelConfig(
        name=model.name,
        platform=PLATFORM,
        backend=served.engine.runtime,
        max_batch_size=max_rows(card, limits.max_count),
        default_model_filename="model.onnx",
        instance_group=[
            config_pb.ModelInstanceGroup(
                name=model.name,
                count=limits.threads if on_cpu else 1,
                kind=config_pb.ModelInstanceGroup.KIND_CPU
                if on_cpu
                else config_pb.ModelInstanceGroup.KIND_GPU,
            )
        ],
        dynamic_batching=config_pb.ModelDynamicBatching(
            preferred_batch_size=[limits.max_batch_size],
            max_queue_delay_microseconds=round(limits.max_queue_delay_ms * 1e3),
            priority_levels=3,
            default_priority_level=2,
            default_queue_policy=config_pb.ModelQueuePolicy(
                allow_timeout_override=True, max_queue_size=limits.queue_size
            ),
        ),
        model_transaction_policy=config_pb.ModelTransactionPolicy(decoupled=False),
    )
    fp32, int64 = config_pb.TYPE_FP32, config_pb.TYPE_INT64
    config.input.add(name="z", data_type=fp32, dims=[card.z_dim])
    size_px = card.image_size_px
    config.output.add(name="image", data_type=fp32, dims=[card.channels, size_px, size_px])
    if model.labels:
        config.input.add(name="label", data_type=int64, dims=[1], optional=True)
        config.output.add(name="label", data_type=int64, dims=[1])
        config.parameters["labels"].string_value = json.dumps(list(model.labels))
    config.parameters["digest"].string_value = model.digest
    config.parameters["runtime"].string_value = f"{served.engine.runtime} {served.engine.version}"
    config.parameters["provider"].string_value = served.engine.provider
    config.parameters["precision"].string_value = precision(model)
    return config

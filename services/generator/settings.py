"""Settings of the generator service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings
from services.generator.engine import Device


class GeneratorSettings(ServiceSettings):
    """Serve images drawn from GAN generators over gRPC."""

    model_config = SettingsConfigDict(env_prefix="GANPRESS_GENERATOR_")

    port: int = Field(50051, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    models: Path | None = Field(
        None, description="Model repository, NAME/VERSION/{model.onnx,card.json}; not set: the package's."
    )
    default_model: str = Field("cars", description="Model of a request that names neither model nor label.")
    device: Device = Field("cpu", description="Where to compute; without a usable GPU, cuda means the CPU.")
    max_batch_size: int = Field(32, ge=1, le=4096, description="Most images in one run of a model.")
    queue_size: int = Field(4096, ge=1, description="Most images of one model under way at the same time.")
    max_count: int = Field(10_000, ge=1, le=2**32 - 1, description="Most images in one request.")

"""Settings of the generator service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings
from services.generator.providers import Device
from services.generator.repository import VersionPolicies, VersionPolicyError
from services.generator.runtimes import RuntimeName


def _checked_policies(text: str) -> str:
    try:
        VersionPolicies.parse(text)
    except VersionPolicyError as error:
        raise PydanticCustomError("version_policy", "{reason}", {"reason": str(error)}) from error
    return text


class GeneratorSettings(ServiceSettings):
    """Serve images drawn from GAN generators over gRPC."""

    model_config = SettingsConfigDict(env_prefix="GANPRESS_GENERATOR_")

    port: int = Field(50051, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    models: str | Path | None = Field(
        None,
        description="Model repository, NAME/VERSION/{model.onnx,card.json}: a folder or a URL such as "
        "s3://bucket/models; not set: the package's.",
    )
    model_cache: Path | None = Field(
        None, description="Folder for the files of a URL; not set: ~/.cache/ganpress/models."
    )
    versions: Annotated[str, AfterValidator(_checked_policies)] = Field(
        "all",
        description="Versions to serve: all, latest, latest:N or a list such as 1,4; of some models by "
        "name, as in latest:2 cars=all.",
    )
    watch_s: float = Field(
        10.0, ge=0, description="Seconds from one look for changed models to the next; 0 means only one."
    )
    model_control: bool = Field(False, description="Let clients load and unload models.")
    default_model: str = Field("cars", description="Model of a request that names neither model nor label.")
    runtime: RuntimeName = Field(
        "auto", description="What computes; auto: OpenVINO for quantized models, ONNX Runtime for others."
    )
    device: Device = Field(
        "cpu",
        description="Where ONNX Runtime computes; auto: a GPU if there is one. What cannot be used gives "
        "way: tensorrt to cuda, cuda to cpu.",
    )
    device_required: bool = Field(
        False, description="Do not start where the device cannot be used, in place of giving way."
    )
    max_batch_size: int = Field(32, ge=1, le=4096, description="Most images in one run of a model.")
    max_queue_delay_ms: float = Field(
        5.0,
        ge=0,
        le=1000,
        description="Longest that a request is held back for a fuller batch while others compute; an idle "
        "server never does.",
    )
    queue_size: int = Field(
        8192,
        ge=1,
        description="Most images of one model under way at the same time; a caller may hold as many as it "
        "leaves free, so one alone gets half.",
    )
    max_count: int = Field(100_000, ge=1, le=2**32 - 1, description="Most images in one request.")

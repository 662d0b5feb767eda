"""Settings of the compressor service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings
from services.compressor.codecs import DEFAULT_MAX_PIXELS


class CompressorSettings(ServiceSettings):
    """Serve image compression and decompression over gRPC."""

    model_config = SettingsConfigDict(env_prefix="GANPRESS_COMPRESSOR_")

    port: int = Field(50052, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    max_pixels: int = Field(
        DEFAULT_MAX_PIXELS, ge=1, le=2**27, description="Most pixels (width x height) of an image."
    )
    queue_size: int = Field(
        256,
        ge=0,
        description="Most requests that wait; a caller may have as many waiting as it leaves free, so one "
        "alone gets half.",
    )
    queue_timeout_s: float = Field(30.0, gt=0, description="Longest that a request waits for its turn.")
    max_batch_images: int = Field(1024, ge=1, le=65536, description="Most images of one CompressBatch.")
    max_seconds: float = Field(
        300.0, ge=0, description="Longest work on one image or part of a batch; 0 means no limit."
    )
    isolation: Literal["process", "thread"] = Field(
        "process",
        description="Who works: processes, of which a broken image may end one without harm, or threads.",
    )
    worker_memory_mb: int = Field(
        4096, ge=0, description="Memory that an image may take in a process, in MiB; 0 means no limit."
    )
    warm_up: bool = Field(
        True, description="Try every codec before serving, so that no request waits for libraries to load."
    )

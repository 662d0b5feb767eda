"""Settings of the compressor service."""

from __future__ import annotations

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
    warm_up: bool = Field(
        True, description="Try every codec before serving, so that no request waits for libraries to load."
    )

"""One cell: an image under a setting, compressed, given back and measured."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ganpress.v1.codec_pb2 import CodecOptions
from ganpress.v1.compressor_service_pb2 import CompressResponse, DecompressResponse
from numpy.typing import NDArray

from client.codec_options import options_given
from client.experiment.plan.model import Metric
from client.experiment.run.calls import Calls
from client.experiment.run.inputs import Input
from client.experiment.run.search import search
from client.experiment.run.settings import Setting
from services.compressor.codecs import ms_ssim, psnr, psnr_y, resized, ssim, ssimulacra2

_METRICS: dict[Metric, Callable[[NDArray[np.uint8], NDArray[np.uint8]], float | None]] = {
    "psnr_rgb_db": psnr,
    "psnr_y_db": psnr_y,
    "ssim": ssim,
    "ms_ssim": ms_ssim,
    "ssimulacra2": ssimulacra2,
}


@dataclass(frozen=True)
class Outcome:
    """What came of a cell."""

    columns: dict[str, Any] = field(default_factory=lambda: {"options": "{}"})
    """Columns of its row, by name."""
    data: bytes = b""
    """The compressed file."""
    extension: str = ""
    """Its file name extension with the dot."""


async def measure(
    calls: Calls, executor: Executor, given: Input, setting: Setting, metrics: Sequence[Metric]
) -> Outcome:
    """Compresses an image and returns what came of it.

    Raises:
        ServiceError: The compressor refuses the image or the setting, or stayed away.
        InputError: The file is too large to be sent.
    """
    response, message, target_bytes = await _compress(calls, given, setting)
    stats = response.stats
    columns: dict[str, Any] = {
        "options": json.dumps(options_given(message), sort_keys=True),
        "target_bytes": target_bytes,
        "width_px": stats.size.width_px,
        "height_px": stats.size.height_px,
        "channels": stats.size.channels,
        "original_bytes": stats.input_bytes,
        "raw_bytes": stats.raw_bytes,
        "compressed_bytes": stats.output_bytes,
        "compression_percent": 100 * (1 - stats.output_bytes / stats.input_bytes),
        "bits_per_pixel": stats.bits_per_pixel,
        "encode_ms": stats.encode_ms,
        "output_sha256": hashlib.sha256(response.data).hexdigest(),
    }
    if metrics:
        decoded = await calls.decompress(response.data)
        columns["decode_ms"] = decoded.decode_ms
        loop = asyncio.get_running_loop()
        columns |= await loop.run_in_executor(executor, _compare, given, decoded, metrics)
    return Outcome(columns, response.data, response.file_extension)


async def _compress(
    calls: Calls, given: Input, setting: Setting
) -> tuple[CompressResponse, CodecOptions, int | None]:
    if not setting.equal_size_to:
        return await calls.compress(given.data, setting.message), setting.message, None
    found = await search(calls, given, setting, setting.equal_size_to)
    return found.response, found.message, found.target_bytes


def _compare(given: Input, decoded: DecompressResponse, metrics: Sequence[Metric]) -> dict[str, float | None]:
    size = decoded.size
    after = np.frombuffer(decoded.image, np.uint8).reshape(size.height_px, size.width_px, size.channels)
    before = given.pixels
    after = resized(after, before.shape[1], before.shape[0])  # of a codec that was told to shrink it
    return {metric: _METRICS[metric](before, after) for metric in metrics}

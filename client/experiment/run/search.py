"""Finds the best value of an option under which a file is as small as another."""

from __future__ import annotations

from dataclasses import dataclass

from ganpress.v1.codec_pb2 import CodecOptions
from ganpress.v1.compressor_service_pb2 import CompressResponse

from client.experiment.run.calls import Calls
from client.experiment.run.inputs import Input
from client.experiment.run.settings import EqualSize, Setting


@dataclass(frozen=True)
class Found:
    """What a search found."""

    response: CompressResponse
    """The compressed image."""
    message: CodecOptions
    """The setting that made it."""
    target_bytes: int
    """Size that it was to stay under."""


async def search(calls: Calls, given: Input, setting: Setting, wanted: EqualSize) -> Found:
    """Returns an image under the largest value of the option whose file is within the reference's size.

    Files are taken to grow with the option. When even the smallest value makes too large a file, that one
    is returned: its size tells.

    Raises:
        ServiceError: The compressor refuses an image or a setting.
    """
    target_bytes = await _reference_bytes(calls, given, wanted.reference)
    low, high = wanted.low, wanted.high
    best: Found | None = None
    while low <= high:
        value = (low + high) // 2
        message = setting.with_option(value)
        response = await calls.compress(given.data, message)
        if len(response.data) <= target_bytes:
            best, low = Found(response, message, target_bytes), value + 1
        else:
            high = value - 1
    if best:
        return best
    message = setting.with_option(wanted.low)
    return Found(await calls.compress(given.data, message), message, target_bytes)


async def _reference_bytes(calls: Calls, given: Input, reference: CodecOptions) -> int:
    """Returns the size of the image under the reference; several searches share one call."""
    key = str(reference)
    async with given.searching:
        if key not in given.sizes:
            given.sizes[key] = len((await calls.compress(given.data, reference)).data)
        return given.sizes[key]

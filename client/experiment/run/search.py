"""Finds the best file that is no larger than another setting's."""

from __future__ import annotations

from dataclasses import dataclass

from ganpress.v1.codec_pb2 import CodecOptions
from ganpress.v1.compressor_service_pb2 import CompressResponse
from ganpress.v1.goal_pb2 import Goal

from client.experiment.run.calls import Calls
from client.experiment.run.inputs import Input
from client.experiment.run.settings import Setting


@dataclass(frozen=True)
class Found:
    """What a search found."""

    response: CompressResponse
    """The compressed image."""
    message: CodecOptions
    """The setting that made it."""
    target_bytes: int
    """Size that it is within."""


async def search(calls: Calls, given: Input, setting: Setting, reference: CodecOptions) -> Found:
    """Returns the best file of an image that is no larger than the reference's, as the compressor finds it.

    Raises:
        ServiceError: The compressor refuses the image, or no file of this codec is so small.
    """
    target_bytes = await _reference_bytes(calls, given, reference)
    response = await calls.compress(given.data, setting.message, Goal(target_bytes=target_bytes))
    message = setting.with_found(response.goal.setting, response.goal.setting_value)
    return Found(response, message, target_bytes)


async def _reference_bytes(calls: Calls, given: Input, reference: CodecOptions) -> int:
    """Returns the size of the image under the reference; several searches share one call."""
    key = str(reference)
    async with given.searching:
        if key not in given.sizes:
            given.sizes[key] = len((await calls.compress(given.data, reference)).data)
        return given.sizes[key]

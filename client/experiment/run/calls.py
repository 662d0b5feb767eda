"""Calls that wait for a service which is away for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
from ganpress.v1.codec_pb2 import CodecOptions
from ganpress.v1.compressor_service_pb2 import (
    CompressRequest,
    CompressResponse,
    DecompressRequest,
    DecompressResponse,
)
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub
from ganpress.v1.goal_pb2 import Goal
from ganpress.v1.image_pb2 import IMAGE_FORMAT_RAW_U8
from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from client.api import GanpressClient, compress_request
from client.connections import answered
from client.errors import ServiceError
from client.requests import check_size

T = TypeVar("T")

_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.CANCELLED)
"""The server went, or is going; what it was asked can be asked again."""
_BUSY = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)
"""It may have too much to do, or the request is too much for it: a few attempts tell."""
_ATTEMPTS_WHEN_BUSY = 6
_ENCODES_FOR_A_GOAL = 9
"""Most files that the compressor writes for one answer (goal.proto)."""
_WAIT_S = wait_random_exponential(multiplier=0.2, max=5)


class ServiceGoneError(ServiceError):
    """A service stayed away for longer than it may: nothing more can be done."""


class Calls:
    """The calls of a run, each repeated while the service is away."""

    def __init__(self, client: GanpressClient, *, patience_s: float) -> None:
        """Takes the client, and for how long a service may be away."""
        self.client = client
        self._patience_s = patience_s

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Returns what a call returns, which is repeated while the service is away.

        Raises:
            ServiceGoneError: It stayed away.
            ServiceError: It refused.
        """
        retrying = AsyncRetrying(retry=self._is_worth_it, wait=_WAIT_S, stop=self._is_over, reraise=True)
        try:
            async for attempt in retrying:
                with attempt:
                    return await call()
        except ServiceError as error:
            if error.code in _AWAY:
                message = f"{error} (it was away for {self._patience_s:g} s)"
                raise ServiceGoneError(message, error.code) from error
            raise
        raise AssertionError("tenacity raises the last error")

    async def compress(
        self, image: bytes, options: CodecOptions, goal: Goal | None = None
    ) -> CompressResponse:
        """Compresses an image file; nothing but its size is measured."""
        request = compress_request(image, options, skip_metrics=True, goal=goal)
        return await self.patiently(lambda: self._compress(request))

    async def decompress(self, data: bytes) -> DecompressResponse:
        """Gives back an image as bare samples."""
        check_size(data)
        request = DecompressRequest(data=data, format=IMAGE_FORMAT_RAW_U8)
        return await self.patiently(lambda: self._decompress(request))

    async def _compress(self, request: CompressRequest) -> CompressResponse:
        connection = await self.client.connect("compressor")
        timeout_s = self.client.timeout_s * (_ENCODES_FOR_A_GOAL if request.HasField("goal") else 1)
        call = CompressorServiceStub(connection.channel).Compress(request, timeout=timeout_s)
        return await answered(call, connection.peer)

    async def _decompress(self, request: DecompressRequest) -> DecompressResponse:
        connection = await self.client.connect("compressor")
        call = CompressorServiceStub(connection.channel).Decompress(request, timeout=self.client.timeout_s)
        return await answered(call, connection.peer)

    @staticmethod
    def _is_worth_it(state: RetryCallState) -> bool:
        error = state.outcome and state.outcome.exception()
        return isinstance(error, ServiceError) and error.code in _AWAY + _BUSY

    def _is_over(self, state: RetryCallState) -> bool:
        error = state.outcome and state.outcome.exception()
        if isinstance(error, ServiceError) and error.code in _BUSY:
            return state.attempt_number >= _ATTEMPTS_WHEN_BUSY
        return (state.seconds_since_start or 0) >= self._patience_s

"""Calls of the compressor."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

import grpc
from ganpress.v1.codec_pb2 import CodecOptions
from ganpress.v1.compressor_service_pb2 import (
    CompressRequest,
    CompressResponse,
    CompressStreamRequest,
    ListCodecsRequest,
    ListCodecsResponse,
)
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub

from client.codec_options import OptionValue, OptionValueError, build_options
from client.connections import Connections, answered, next_answer
from client.errors import InputError, from_status, status_code
from client.requests import Compressed, compress_request
from client.window import Window
from services.common.server import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WINDOW_ITEMS = 32
_WINDOW_BYTES = 2 * MAX_MESSAGE_BYTES
_TINY_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAAEUlEQVR42mNsYEAFTAwjWgAAmZAAoFDIQrAAAAAASUVORK5CYII="
)
"""16x16 grey pixels."""


class CompressorCalls(Connections):
    """The compressor's methods of `GanpressClient`."""

    async def list_codecs(self) -> ListCodecsResponse:
        """Returns the codecs of the compressor and the limits of a request."""
        connection = await self.connect("compressor")
        stub = CompressorServiceStub(connection.channel)
        return await answered(stub.ListCodecs(ListCodecsRequest(), timeout=self.timeout_s), connection.peer)

    async def codec_options(
        self, codec: str, options: Mapping[str, OptionValue] | None = None
    ) -> CodecOptions:
        """Returns the message for a codec and its options, to make requests with.

        Given options are tried on a tiny image, so that a wrong one is told once, not for each image.

        Args:
            codec: Codec name; "pillow" is JPEG, as in the study.
            options: The codec's options by name, as numbers or as text; those left out take its defaults.
        """
        try:
            message = build_options(codec, options or {})
        except OptionValueError as error:
            accepts = await self._accepted(error.codec, error.option) or error.wanted
            raise InputError(
                f"{error.codec} option {error.option} takes {accepts}, not {error.value!r}"
            ) from error
        if options:
            await self._compress(CompressRequest(image=_TINY_PNG, options=message, skip_metrics=True))
        return message

    async def compress(
        self,
        image: bytes | NDArray[np.uint8],
        codec: str,
        options: Mapping[str, OptionValue] | None = None,
        *,
        skip_metrics: bool = False,
    ) -> CompressResponse:
        """Compresses one image; the arguments are those of `codec_options` and `compress_request`."""
        message = await self.codec_options(codec, options)
        return await self._compress(compress_request(image, message, skip_metrics=skip_metrics))

    async def compress_many(
        self, requests: AsyncIterator[tuple[str, CompressRequest]]
    ) -> AsyncIterator[Compressed]:
        """Compresses many images over one stream: one outcome for each request, in their order.

        Takes requests, which are pairs of a key and a request, only as fast as answers come: at any
        time at most 32 of them or 128 MB are under way. What `requests` raises is raised here after the
        outcomes of all that it gave before.
        """
        connection = await self.connect("compressor")
        call = CompressorServiceStub(connection.channel).CompressStream()
        window = Window(_WINDOW_ITEMS, _WINDOW_BYTES)

        async def send() -> None:
            try:
                async for key, request in requests:
                    await window.enter(len(request.image))
                    await call.write(CompressStreamRequest(key=key, request=request))
                await call.done_writing()
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return  # The stream is broken: reading from it tells why.
            finally:
                await window.close()

        sender = asyncio.create_task(send(), name="compress_many: send")
        try:
            while await window.awaits_answer():
                response = await next_answer(call, connection.peer, self.timeout_s)
                if not response:
                    raise from_status(grpc.StatusCode.INTERNAL, "the stream ended early", connection.peer)
                await window.leave()
                if response.HasField("error"):
                    code = status_code(response.error.code)
                    yield Compressed(response.key, from_status(code, response.error.message, connection.peer))
                else:
                    yield Compressed(response.key, response.response)
            await sender
            await next_answer(call, connection.peer, self.timeout_s)
        finally:
            sender.cancel()
            call.cancel()
            await asyncio.wait([sender])

    async def _compress(self, request: CompressRequest) -> CompressResponse:
        connection = await self.connect("compressor")
        call = CompressorServiceStub(connection.channel).Compress(request, timeout=self.timeout_s)
        return await answered(call, connection.peer)

    async def _accepted(self, codec: str, option: str) -> str:
        """Returns the compressor's words on what an option accepts; empty when it does not know it."""
        codecs = (await self.list_codecs()).codecs
        parameters = [p for info in codecs if info.name == codec for p in info.parameters]
        return next((p.accepts for p in parameters if p.name == option), "")

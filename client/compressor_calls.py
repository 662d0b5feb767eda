"""Calls of the compressor."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING

import grpc
from ganpress.v1.codec_pb2 import CodecOptions
from ganpress.v1.compressor_service_pb2 import (
    CompressBatchRequest,
    CompressorServiceGetLimitsRequest,
    CompressRequest,
    CompressResponse,
    CompressStreamRequest,
    CompressStreamResponse,
    EvaluateRequest,
    EvaluateResponse,
    ListCodecsRequest,
    ListCodecsResponse,
)
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub
from ganpress.v1.goal_pb2 import Goal
from ganpress.v1.input_pb2 import InputOptions
from ganpress.v1.limits_pb2 import Limits

from client.codec_options import AUTO, OptionValue, OptionValueError, build_options
from client.compiling import compile_for_options
from client.connections import Connections, answered, next_answer
from client.errors import InputError, Peer, from_status, status_code
from client.requests import Compressed, check_size, compress_request
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

    async def compressor_limits(self) -> Limits:
        """Returns the limits of the compressor for this caller."""
        connection = await self.connect("compressor")
        call = CompressorServiceStub(connection.channel).GetLimits(
            CompressorServiceGetLimitsRequest(), timeout=self.timeout_s
        )
        return (await answered(call, connection.peer)).limits

    async def codec_options(
        self, codec: str, options: Mapping[str, OptionValue] | None = None
    ) -> CodecOptions:
        """Returns the message for a codec and its options, to make requests with.

        Given options are tried on a tiny image, so that a wrong one is told once, not for each image.

        Args:
            codec: Codec name; "pillow" is JPEG, as in the study; "auto" is whichever is best at a goal.
            options: The codec's options by name, as numbers or as text; those left out take its defaults.
        """
        try:
            message = build_options(codec, options or {})
        except OptionValueError as error:
            accepts = await self._accepted(error.codec, error.option) or error.wanted
            raise InputError(
                f"{error.codec} option {error.option} takes {accepts}, not {error.value!r}"
            ) from error
        if self.is_embedded("compressor"):
            await compile_for_options(message)
        if options and message.WhichOneof("codec") != AUTO:
            await self._compress(CompressRequest(image=_TINY_PNG, options=message, skip_metrics=True))
        return message

    async def compress(
        self,
        image: bytes | NDArray[np.uint8],
        codec: str,
        options: Mapping[str, OptionValue] | None = None,
        *,
        skip_metrics: bool = False,
        goal: Goal | None = None,
        reading: InputOptions | None = None,
    ) -> CompressResponse:
        """Compresses one image; the arguments are those of `codec_options` and `compress_request`."""
        message = await self.codec_options(codec, options)
        return await self._compress(
            compress_request(image, message, skip_metrics=skip_metrics, goal=goal, reading=reading)
        )

    async def compress_many(
        self, requests: AsyncIterator[tuple[str, CompressRequest]]
    ) -> AsyncIterator[Compressed]:
        """Compresses many images over one stream: one outcome for each request, in their order.

        Takes requests, which are pairs of a key and a request, only as fast as answers come: at any
        time at most 32 of them (or `jobs`), or 128 MB, are under way. What `requests` raises is raised
        here after the outcomes of all that it gave before.
        """
        connection = await self.connect("compressor")
        call = CompressorServiceStub(connection.channel).CompressStream()
        window = Window(self.jobs or _WINDOW_ITEMS, _WINDOW_BYTES)

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
                yield _outcome(response, connection.peer)
            await sender
            await next_answer(call, connection.peer, self.timeout_s)
        finally:
            sender.cancel()
            call.cancel()
            await asyncio.wait([sender])

    async def compress_batch(
        self,
        images: Sequence[tuple[str, bytes]],
        options: CodecOptions,
        *,
        skip_metrics: bool = False,
        goal: Goal | None = None,
        reading: InputOptions | None = None,
    ) -> list[Compressed]:
        """Compresses many small images in one message: one outcome for each, in their order.

        Args:
            images: Pairs of a key and an image file; at most `list_codecs().max_batch_images`.
            options: Codec and options, from `codec_options`.
            skip_metrics: As for `compress_request`.
            goal: What each file has to reach.
            reading: How the files are read.
        """
        connection = await self.connect("compressor")
        request = CompressBatchRequest(options=options, skip_metrics=skip_metrics, goal=goal, input=reading)
        for key, image in images:
            request.images.add(key=key, image=image)
        call = CompressorServiceStub(connection.channel).CompressBatch(request, timeout=self.timeout_s)
        answers = (await answered(call, connection.peer)).answers
        return [_outcome(answer, connection.peer) for answer in answers]

    async def evaluate(
        self, original: bytes, decoded: bytes, *, reading: InputOptions | None = None
    ) -> EvaluateResponse:
        """Returns what a second image has lost of a first; both are image or GanPress files."""
        check_size(original + decoded)
        connection = await self.connect("compressor")
        request = EvaluateRequest(original=original, decoded=decoded, input=reading)
        call = CompressorServiceStub(connection.channel).Evaluate(request, timeout=self.timeout_s)
        return await answered(call, connection.peer)

    async def _compress(self, request: CompressRequest) -> CompressResponse:
        connection = await self.connect("compressor")
        call = CompressorServiceStub(connection.channel).Compress(request, timeout=self.timeout_s)
        return await answered(call, connection.peer)

    async def _accepted(self, codec: str, option: str) -> str:
        """Returns the compressor's words on what an option accepts; empty when it does not know it."""
        codecs = (await self.list_codecs()).codecs
        parameters = [p for info in codecs if info.name == codec for p in info.parameters]
        return next((p.accepts for p in parameters if p.name == option), "")


def _outcome(answer: CompressStreamResponse, peer: Peer) -> Compressed:
    if answer.HasField("error"):
        return Compressed(answer.key, from_status(status_code(answer.error.code), answer.error.message, peer))
    return Compressed(answer.key, answer.response)

"""GanPress for programs: images in, images out, with servers or without.

    from client.api import GanpressClient, run

    async def small_sedan(client: GanpressClient) -> bytes:
        async for image in client.generate(label="sedan", seed=42):
            return (await client.compress(image.data, "kmeans", {"k": 32})).data

    data = run(small_sedan)

Answers are the messages of `ganpress.v1`, whose fields are documented in `protos/`. Everything is
async; `run` is the one way in for code that is not.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import grpc
from ganpress.inference.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from ganpress.v1.codec_pb2 import CodecOptions
from ganpress.v1.compressor_service_pb2 import (
    CompressRequest,
    CompressResponse,
    CompressStreamRequest,
    DecompressRequest,
    DecompressResponse,
    ListCodecsRequest,
    ListCodecsResponse,
)
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub
from ganpress.v1.generator_service_pb2 import (
    GeneratedImage,
    GenerateStreamRequest,
    GetModelRequest,
    GetModelResponse,
    ListModelsRequest,
    ListModelsResponse,
    ModelRuntime,
    ModelSummary,
)
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from ganpress.v1.image_pb2 import IMAGE_FORMAT_PNG, ImageSize
from ganpress.v1.model_card_pb2 import ModelCard
from ganpress.v1.model_repository_service_pb2 import (
    ListModelVersionsRequest,
    ListModelVersionsResponse,
    LoadModelRequest,
    LoadModelResponse,
    UnloadModelRequest,
    UnloadModelResponse,
)
from ganpress.v1.model_repository_service_pb2_grpc import ModelRepositoryServiceStub

from client.channel import check_address, open_channel
from client.codec_options import OptionValue, OptionValueError, build_options
from client.embedded import EmbeddedServers, ServiceName
from client.errors import (
    GanpressError,
    InputError,
    Peer,
    UnreachableError,
    from_rpc_error,
    from_status,
    status_code,
)
from client.generation import FileFormat, Priority, check_range, generate_request
from client.window import Window
from services.common.server import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from services.compressor.codecs.seed import Origin

T = TypeVar("T")
_Stream = grpc.aio.UnaryStreamCall[Any, T] | grpc.aio.StreamStreamCall[Any, T]

DEFAULT_TIMEOUT_S = 60.0
MAX_IMAGE_BYTES = MAX_MESSAGE_BYTES - 2**16
"""Largest image file that a message holds; the rest is left for what describes it."""

_WINDOW_ITEMS = 32
_WINDOW_BYTES = 2 * MAX_MESSAGE_BYTES
_DECOMPRESS_CALLS = 4
_TINY_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAAEUlEQVR42mNsYEAFTAwjWgAAmZAAoFDIQrAAAAAASUVORK5CYII="
)
"""16x16 grey pixels."""


@dataclass(frozen=True)
class Compressed:
    """The outcome of one request of `compress_many`."""

    key: str
    """The request's key."""
    result: CompressResponse | GanpressError
    """The compressed image, or why there is none."""


@dataclass(frozen=True)
class Decompressed:
    """The outcome of one file of `decompress_many`."""

    key: str
    """The file's key."""
    result: DecompressResponse | GanpressError
    """The image, or why there is none."""


@dataclass(frozen=True)
class _Connection:
    peer: Peer
    channel: grpc.aio.Channel


class GanpressClient:
    """Calls a generator and a compressor.

    A service without an address is started inside this process when it is first needed. Use as
    `async with GanpressClient() as client`. All methods raise `client.errors.GanpressError`.
    """

    def __init__(
        self,
        *,
        generator: str | None = None,
        compressor: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        """Takes the addresses, `HOST:PORT` or `unix:PATH`, and the longest wait for any one answer.

        Raises:
            InputError: An address is none.
        """
        addresses: dict[ServiceName, str | None] = {"generator": generator, "compressor": compressor}
        self._addresses = {name: address and check_address(address) for name, address in addresses.items()}
        self._timeout_s = timeout_s
        self._connections: dict[ServiceName, _Connection] = {}
        self._connecting = asyncio.Lock()
        self._embedded = EmbeddedServers()
        self._models: Sequence[ModelSummary] = ()

    async def __aenter__(self) -> Self:
        """Returns the client; it connects when it is used."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes what was opened."""
        await self.close()

    async def close(self) -> None:
        """Closes the channels and stops the services of this process."""
        for connection in self._connections.values():
            await connection.channel.close()
        self._connections.clear()
        await self._embedded.close()

    async def ready(self, service: ServiceName) -> None:
        """Starts a service now that would otherwise be started by the first call."""
        await self._connect(service)

    async def list_models(self) -> ListModelsResponse:
        """Returns the models of the generator and the limits of a request."""
        connection = await self._connect("generator")
        stub = GeneratorServiceStub(connection.channel)
        return await _answer(stub.ListModels(ListModelsRequest(), timeout=self._timeout_s), connection.peer)

    async def get_model(self, name: str, version: int = 0) -> ModelCard:
        """Returns a model's card; version 0 is the newest."""
        return (await self._get_model(name, version)).card

    async def get_runtime(self, name: str, version: int = 0) -> ModelRuntime:
        """Returns what computes a model's images; servers with the same probe digest draw the same ones."""
        return (await self._get_model(name, version)).runtime

    async def model_versions(self) -> ListModelVersionsResponse:
        """Returns all versions in the generator's model repository, with their states and why."""
        connection = await self._connect("generator")
        stub = ModelRepositoryServiceStub(connection.channel)
        call = stub.ListModelVersions(ListModelVersionsRequest(), timeout=self._timeout_s)
        return await _answer(call, connection.peer)

    async def load_model(self, name: str, version: int = 0) -> LoadModelResponse:
        """Loads a version, or with 0 what the generator's version policy chooses; it is served then."""
        connection = await self._connect("generator")
        stub = ModelRepositoryServiceStub(connection.channel)
        request = LoadModelRequest(name=name, version=version)
        return await _answer(stub.LoadModel(request, timeout=self._timeout_s), connection.peer)

    async def unload_model(self, name: str, version: int = 0) -> UnloadModelResponse:
        """Lets the generator serve a version, or with 0 a model, no longer; running calls end well."""
        connection = await self._connect("generator")
        stub = ModelRepositoryServiceStub(connection.channel)
        request = UnloadModelRequest(name=name, version=version)
        return await _answer(stub.UnloadModel(request, timeout=self._timeout_s), connection.peer)

    async def generate(
        self,
        *,
        model: str = "",
        model_version: int = 0,
        label: str = "",
        label_mix: Mapping[str, float] | None = None,
        count: int = 1,
        seed: int | None = None,
        seeds: Sequence[int] = (),
        to_seed: int | None = None,
        truncation: float | None = None,
        file_format: FileFormat = "png",
        quality: int | None = None,
        priority: Priority = "normal",
    ) -> AsyncGenerator[GeneratedImage]:
        """Draws images as files, in their order.

        Args:
            model: Model name; empty takes the one that has the label, or the server's default.
            model_version: Model version; 0 is the newest.
            label: Label for a conditional model; empty draws one from each image's seed.
            label_mix: Weights of several labels in place of one, for models that mix labels.
            count: How many images.
            seed: Seed of the first image, 0 to 2^64 - 1; image i has seed + i. None: drawn by the server.
            seeds: Seed of each image, in place of `seed` and `count`.
            to_seed: Draws `count` images on the way from `seed` to this one.
            truncation: Factor on the latent vector, above 0 and at most 1; None: 1.
            file_format: Format of the files.
            quality: Quality of JPEG and WebP, 1 to 100; None: 90.
            priority: Rank among the requests that wait for the server.
        """
        request = generate_request(
            model=model,
            model_version=model_version,
            label=label,
            label_mix=label_mix,
            count=count,
            seed=seed,
            seeds=seeds,
            to_seed=to_seed,
            truncation=truncation,
            file_format=file_format,
            quality=quality,
            priority=priority,
        )
        connection = await self._connect("generator")
        stub = GeneratorServiceStub(connection.channel)
        if request.count == 1:  # one answer costs less than a stream
            answer = await _answer(stub.Generate(request, timeout=self._timeout_s), connection.peer)
            for image in answer.images:
                yield image
            return
        call = stub.GenerateStream(GenerateStreamRequest(request=request))
        try:
            while response := await self._next_answer(call, connection.peer):
                for image in response.images:
                    yield image
        finally:
            call.cancel()

    async def list_codecs(self) -> ListCodecsResponse:
        """Returns the codecs of the compressor and the limits of a request."""
        connection = await self._connect("compressor")
        stub = CompressorServiceStub(connection.channel)
        return await _answer(stub.ListCodecs(ListCodecsRequest(), timeout=self._timeout_s), connection.peer)

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
        connection = await self._connect("compressor")
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
                response = await self._next_answer(call, connection.peer)
                if not response:
                    raise from_status(grpc.StatusCode.INTERNAL, "the stream ended early", connection.peer)
                await window.leave()
                if response.HasField("error"):
                    code = status_code(response.error.code)
                    yield Compressed(response.key, from_status(code, response.error.message, connection.peer))
                else:
                    yield Compressed(response.key, response.response)
            await sender
            await self._next_answer(call, connection.peer)
        finally:
            sender.cancel()
            call.cancel()
            await asyncio.wait([sender])

    async def regenerate(self, origin: Origin) -> NDArray[np.float32]:
        """Returns a generated image's samples before rounding, [H, W, C], nominally 0..255."""
        from client.regeneration import infer_request, model_of, samples_of

        if not any(model.digest.startswith(origin.model_digest) for model in self._models):
            self._models = (await self.list_models()).models
        request = infer_request(origin, model_of(origin, self._models))
        connection = await self._connect("generator")
        call = GRPCInferenceServiceStub(connection.channel).ModelInfer(request, timeout=self._timeout_s)
        return samples_of(await _answer(call, connection.peer))

    async def decompress(
        self, data: bytes, *, tolerate: int = 0, restore_file: bool = False
    ) -> DecompressResponse:
        """Gives back the image in a compressed file, as PNG.

        Args:
            data: The file. One of the seed codec is regenerated by the generator.
            tolerate: Grey levels by which a regenerated image may differ; 0 wants the very same.
            restore_file: A repacked JPEG comes back as the very file that it was.
        """
        if _may_be_ours(data):
            from services.compressor.codecs.seed import is_seed

            if is_seed(data):
                return await self._regenerated(data, tolerate)
        _check_size(data)
        connection = await self._connect("compressor")
        request = DecompressRequest(data=data, format=IMAGE_FORMAT_PNG, restore_file=restore_file)
        call = CompressorServiceStub(connection.channel).Decompress(request, timeout=self._timeout_s)
        return await _answer(call, connection.peer)

    async def decompress_many(
        self, files: AsyncIterator[tuple[str, bytes]], *, tolerate: int = 0, restore_files: bool = False
    ) -> AsyncIterator[Decompressed]:
        """Gives back the images in many compressed files: one outcome for each, in their order.

        `files` are pairs of a key and a file. A few are under way at a time. See `decompress`.
        """
        running: deque[tuple[str, asyncio.Task[DecompressResponse]]] = deque()
        try:
            async for key, data in files:
                call = self.decompress(data, tolerate=tolerate, restore_file=restore_files)
                running.append((key, asyncio.create_task(call)))
                if len(running) == _DECOMPRESS_CALLS:
                    yield await _decompressed(*running.popleft())
            while running:
                yield await _decompressed(*running.popleft())
        finally:
            for _, task in running:
                task.cancel()

    async def _regenerated(self, data: bytes, tolerate: int) -> DecompressResponse:
        from client.images import to_png
        from services.compressor.codecs import CodecError
        from services.compressor.codecs.seed import SeedCodec, read_origin

        try:
            values = await self.regenerate(read_origin(data))
            image = SeedCodec(lambda _: values, tolerate=tolerate).decode(data)
        except CodecError as error:
            raise InputError(str(error)) from error
        height_px, width_px, channels = image.shape
        return DecompressResponse(
            image=to_png(image[..., 0] if channels == 1 else image),
            format=IMAGE_FORMAT_PNG,
            size=ImageSize(width_px=width_px, height_px=height_px, channels=channels),
            codec=SeedCodec.id,
        )

    async def _get_model(self, name: str, version: int) -> GetModelResponse:
        check_range("version", version, 0, 2**32 - 1)
        connection = await self._connect("generator")
        request = GetModelRequest(name=name, version=version)
        call = GeneratorServiceStub(connection.channel).GetModel(request, timeout=self._timeout_s)
        return await _answer(call, connection.peer)

    async def _compress(self, request: CompressRequest) -> CompressResponse:
        connection = await self._connect("compressor")
        call = CompressorServiceStub(connection.channel).Compress(request, timeout=self._timeout_s)
        return await _answer(call, connection.peer)

    async def _connect(self, name: ServiceName) -> _Connection:
        async with self._connecting:
            if name not in self._connections:
                address = self._addresses[name]
                channel = open_channel(address or await self._embedded.start(name))
                self._connections[name] = _Connection(Peer(name, address or ""), channel)
            return self._connections[name]

    async def _next_answer(self, call: _Stream[T], peer: Peer) -> T | None:
        """Returns the stream's next message, None after the last."""
        try:
            async with asyncio.timeout(self._timeout_s):
                message = await call.read()
        except TimeoutError:
            raise from_status(grpc.StatusCode.DEADLINE_EXCEEDED, "", peer) from None
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, peer) from error
        return None if message is grpc.aio.EOF else cast("T", message)

    async def _accepted(self, codec: str, option: str) -> str:
        """Returns the compressor's words on what an option accepts; empty when it does not know it."""
        codecs = (await self.list_codecs()).codecs
        parameters = [p for info in codecs if info.name == codec for p in info.parameters]
        return next((p.accepts for p in parameters if p.name == option), "")


def compress_request(
    image: bytes | NDArray[np.uint8], options: CodecOptions, *, skip_metrics: bool = False
) -> CompressRequest:
    """Returns a request for `compress_many`.

    Args:
        image: An image file, or pixels as uint8 [H, W], [H, W, 3] or [H, W, 4].
        options: Codec and options, from `GanpressClient.codec_options`.
        skip_metrics: Leave PSNR and SSIM out.

    Raises:
        InputError: The array is no image, or the file is larger than a message.
    """
    if not isinstance(image, bytes):
        # Only who gives arrays pays for the import of numpy and Pillow.
        from client.images import to_png

        image = to_png(image)
    _check_size(image)
    return CompressRequest(image=image, options=options, skip_metrics=skip_metrics)


def run(
    work: Callable[[GanpressClient], Awaitable[T]],
    *,
    generator: str | None = None,
    compressor: str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> T:
    """Returns what `work(client)` returns: the client for code that is not async.

    The client lives for this one call; the other arguments are those of `GanpressClient`.
    """

    async def main() -> T:
        async with GanpressClient(generator=generator, compressor=compressor, timeout_s=timeout_s) as client:
            return await work(client)

    return asyncio.run(main())


def _may_be_ours(data: bytes) -> bool:
    """Tells whether the codecs have to be imported to know what a file is."""
    return data[:2] == b"\x89G"


async def _decompressed(key: str, task: asyncio.Task[DecompressResponse]) -> Decompressed:
    try:
        return Decompressed(key, await task)
    except UnreachableError:
        raise  # nothing more will be decompressed
    except GanpressError as error:
        return Decompressed(key, error)


async def _answer(call: Awaitable[T], peer: Peer) -> T:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, peer) from error


def _check_size(image: bytes) -> None:
    if len(image) > MAX_IMAGE_BYTES:
        raise InputError(
            f"the file has {len(image) / 2**20:.1f} MB: at most {MAX_IMAGE_BYTES / 2**20:.1f} MB can be sent"
        )

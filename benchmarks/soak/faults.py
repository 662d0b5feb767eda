"""What goes wrong in the field, done on purpose, and what has to come of it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
from ganpress.v1 import compressor_service_pb2 as compressor_pb
from ganpress.v1 import generator_service_pb2 as generator_pb
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub

from benchmarks.serving.processes import Processes
from benchmarks.soak.tally import Tally, WrongAnswerError

Code = grpc.StatusCode
TIMEOUT_S = 300.0
"""How long ordinary callers wait: this is about what goes wrong, not about a machine that others use."""


@dataclass(frozen=True)
class Target:
    """What the faults are done to."""

    generator: str
    """Address of the generator."""
    compressor: str
    """Address of the compressor."""
    token: str
    """A token for both, of a caller who does nothing else."""
    models: Path
    """The generator's repository."""
    callers: Path
    """The file of callers."""
    compressor_processes: Processes
    """The compressor's processes."""


class Faults:
    """Injects one fault after another."""

    def __init__(self, target: Target, tally: Tally, pause_s: float) -> None:
        """Takes the target and the mean pause between faults."""
        self._target = target
        self._tally = tally
        self._pause_s = pause_s
        self._random = random.Random(2)
        self._metadata = (("authorization", f"Bearer {target.token}"),)
        self.injected: dict[str, int] = {}
        """How often each was."""

    async def run(self) -> None:
        """Injects until cancelled."""
        kinds: list[Callable[[], Awaitable[None]]] = [
            self.abandoned_calls,
            self.short_deadlines,
            self.slow_reader,
            self.half_open_connections,
            self.hostile_images,
            self.stolen_token,
            self.flood,
            self.broken_callers_file,
            self.corrupt_version,
            self.new_version,
            self.killed_worker,
        ]
        while True:
            self._random.shuffle(kinds)
            for kind in kinds:
                await asyncio.sleep(self._random.expovariate(1 / self._pause_s))
                await kind()
                name = kind.__name__.replace("_", " ")
                self.injected[name] = self.injected.get(name, 0) + 1

    async def abandoned_calls(self) -> None:
        """Callers that leave while they are being answered: their calls are CANCELLED, others go on."""
        async with self._channel(self._target.generator) as channel:
            stub = GeneratorServiceStub(channel)
            calls = [stub.GenerateStream(_images(2000), metadata=self._metadata) for _ in range(10)]
            for call in calls:
                with suppress(grpc.aio.AioRpcError):
                    await call.read()
                call.cancel()

    async def short_deadlines(self) -> None:
        """Calls with less time than they need: late, or refused where it is known that they would be."""
        async with self._channel(self._target.generator) as channel:
            stub = GeneratorServiceStub(channel)
            for _ in range(10):
                async with self._tally.call(
                    "deadline of 2 ms", Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED
                ):
                    request = _images(50).request
                    await stub.Generate(request, metadata=self._metadata, timeout=0.002)

    async def slow_reader(self) -> None:
        """A caller that stops reading for ten seconds still gets all of its images."""
        async with self._channel(self._target.generator) as channel:
            call = GeneratorServiceStub(channel).GenerateStream(_images(1000), metadata=self._metadata)
            async with self._tally.call("slow reader"):
                got = 0
                async for answer in call:
                    if not got:
                        await asyncio.sleep(10)
                    got += len(answer.images)
                if got != 1000:
                    raise WrongAnswerError(f"{got} images in place of 1000")

    async def half_open_connections(self) -> None:
        """Connections that say nothing, half a preface or nonsense, and stay: nobody else notices."""
        host, port = self._target.compressor.rsplit(":", 1)
        sockets: list[socket.socket] = []
        for said in (b"", b"PRI * HTTP/2.0\r\n", b"GET / HTTP/1.1\r\n\r\n", os.urandom(200)):
            connection = socket.create_connection((host, int(port)))
            connection.send(said)
            sockets.append(connection)
        await asyncio.sleep(5)
        for connection in sockets:
            # Closed by a reset, as if the machine had gone.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    async def hostile_images(self) -> None:
        """Files that are none, or would be huge: refused, each by itself."""
        png = _png_header(60_000, 60_000)
        refused = (Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED)
        async with self._channel(self._target.compressor) as channel:
            stub = CompressorServiceStub(channel)
            for data in (b"", os.urandom(4096), png, b"\x89GPC" + os.urandom(200), b"GIF89a\xff\xff\xff\xff"):
                async with self._tally.call("hostile image", *refused):
                    request = compressor_pb.DecompressRequest(data=data)
                    await stub.Decompress(request, metadata=self._metadata, timeout=30)
                    raise WrongAnswerError("a hostile image was taken for one")

    async def stolen_token(self) -> None:
        """A token that is not known: UNAUTHENTICATED."""
        async with (
            self._channel(self._target.generator) as channel,
            self._tally.call("wrong token", Code.UNAUTHENTICATED),
        ):
            metadata = (("authorization", "Bearer ganpress_wrong"),)
            await GeneratorServiceStub(channel).Generate(_images(1).request, metadata=metadata)
            raise WrongAnswerError("a token that nobody has was taken")

    async def flood(self) -> None:
        """Far more calls than fit: those without room are RESOURCE_EXHAUSTED, the others are answered."""
        async with self._channel(self._target.generator) as channel:
            stub = GeneratorServiceStub(channel)

            async def one() -> None:
                async with self._tally.call("flood", Code.RESOURCE_EXHAUSTED):
                    await stub.Generate(_images(60).request, metadata=self._metadata, timeout=TIMEOUT_S)

            await asyncio.gather(*(one() for _ in range(150)))

    async def broken_callers_file(self) -> None:
        """A slip in the file of callers: what it held stays in force, then it is mended."""
        sound = self._target.callers.read_text()
        self._target.callers.write_text("[callers")
        await asyncio.sleep(5)
        self._target.callers.write_text(sound)

    async def corrupt_version(self) -> None:
        """A truncated model appears in the repository and goes again: it is never served."""
        folder = self._target.models / "cars" / "9"
        _copy_version(self._target.models / "cars" / "1", folder, 9)
        model = folder / "model.onnx"
        model.write_bytes(model.read_bytes()[:1000])
        await asyncio.sleep(8)
        _remove(folder)

    async def new_version(self) -> None:
        """A new version is served and taken back, while the older one is being drawn from."""
        folder = self._target.models / "dogs" / "2"
        _copy_version(self._target.models / "dogs" / "1", folder, 2)
        await asyncio.sleep(8)
        _remove(folder)

    async def killed_worker(self) -> None:
        """SIGKILL of a process that works on images, or that forks these: one request is lost at most."""
        if workers := self._target.compressor_processes.children():
            self._tally.killed += 1
            os.kill(self._random.choice(workers), signal.SIGKILL)

    def _channel(self, address: str) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])


def _images(count: int) -> generator_pb.GenerateStreamRequest:
    return generator_pb.GenerateStreamRequest(
        request=generator_pb.GenerateRequest(model="cars", count=count, seed=7)
    )


def _png_header(width_px: int, height_px: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + bytes(64)
    )


def _copy_version(source: Path, folder: Path, version: int) -> None:
    """Copies a model as another version; the card last, as the repository's readers want it."""
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes((source / "model.onnx").read_bytes())
    card = (source / "card.json").read_text()
    (folder / "card.json").write_text(card.replace('"version": 1', f'"version": {version}'))


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()

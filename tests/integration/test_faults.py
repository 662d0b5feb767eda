"""What comes of faults: of processes, disks, files, clocks, networks and memory."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1 import model_repository_service_pb2 as repository_pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from ganpress.v1.image_pb2 import IMAGE_FORMAT_RAW_U8
from ganpress.v1.model_repository_service_pb2_grpc import ModelRepositoryServiceStub

from client.api import GanpressClient
from client.errors import UnreachableError
from services.common.access import Allowance
from services.common.server import Server, ServerOptions
from services.generator.service import build_service
from services.generator.settings import GeneratorSettings
from tests.helpers.models import write_model
from tests.helpers.servers import server_process


def request(count: int = 1, **fields) -> pb.GenerateRequest:
    """A request for samples of the model without labels."""
    return pb.GenerateRequest(model="dogs", count=count, seed=7, format=IMAGE_FORMAT_RAW_U8, **fields)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def descriptors_of(pid: int) -> int:
    """How many files and sockets a process holds open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def memory_of(pid: int) -> int:
    """Bytes of addresses that a process uses."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


def start_without_log(*command: str) -> subprocess.Popen[bytes]:
    """Starts a program whose stderr is a full disk."""
    buffering = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("wb") as full:
        return subprocess.Popen(command, stderr=full, env=buffering)


async def drawn(stub: GeneratorServiceStub, count: int = 1) -> bytes:
    """The samples of some images."""
    answer = await stub.Generate(request(count))  # a deadline would be told by the clock
    return b"".join(image.data for image in answer.images)


async def test_server_killed(model_root):
    """A caller of a server that is killed is told so; the one that takes its place gives the same images."""
    options = ["--models", str(model_root), "--port", str(free_port())]
    async with (
        server_process("services.generator", *options) as first,
        GanpressClient(generator=first.address, timeout_s=60) as client,
    ):
        images = client.generate(model="dogs", seed=7, count=100_000)
        before = await anext(images)
        first._process.kill()
        with pytest.raises(UnreachableError, match="cannot reach the generator at"):
            async for _ in images:
                pass
        async with server_process("services.generator", *options):
            again = []
            while not again:
                with suppress(UnreachableError):  # until the channel tries to connect again
                    again = [image async for image in client.generate(model="dogs", seed=7)]
            assert again[0].data == before.data


async def test_drain(model_root):
    """A server that is told to stop finishes what it has accepted, and refuses what comes then."""
    async with server_process("services.generator", "--models", str(model_root), "--grace-s", "60") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = GeneratorServiceStub(channel)
            call = stub.GenerateStream(pb.GenerateStreamRequest(request=request(3000)))
            got = len((await call.read()).images)
            server.terminate()
            while (answer := await call.read()) is not grpc.aio.EOF:
                got += len(answer.images)
            assert got == 3000
            assert await call.code() == grpc.StatusCode.OK
        assert await server.exit_code() == 0
        assert "Traceback" not in server.log


async def test_model_file_truncated(tmp_path):
    """A model file that is truncated while it is served: the images stay the same, and the reason is told."""
    write_model(tmp_path, "dogs", 1, labels=(), seed=3)
    service = build_service(GeneratorSettings(models=tmp_path, watch_s=0.05))
    server = Server([service], ServerOptions(grace_s=0))
    address = await server.start(f"unix:{tmp_path / 's'}")
    async with grpc.aio.insecure_channel(address) as channel:
        stub = GeneratorServiceStub(channel)
        before = await drawn(stub)
        model = tmp_path / "dogs" / "1" / "model.onnx"
        whole = model.read_bytes()
        model.write_bytes(whole[: len(whole) // 2])
        listing = repository_pb.ListModelVersionsRequest()
        while True:
            (version,) = (await ModelRepositoryServiceStub(channel).ListModelVersions(listing)).versions
            assert await drawn(stub) == before
            if version.reason:
                break
        assert version.state == repository_pb.MODEL_STATE_READY
        model.write_bytes(whole)
        assert await drawn(stub) == before
    await server.stop()


async def test_clock_jumps(model_root, tmp_path, monkeypatch):
    """A wall clock that jumps by decades changes neither deadlines nor allowances nor answers."""
    service = build_service(GeneratorSettings(models=model_root, watch_s=0))
    options = ServerOptions(grace_s=0, allowance=Allowance(images_per_s=1000, max_calls=10))
    server = Server([service], options)
    address = await server.start(f"unix:{tmp_path / 's'}")
    real = time.time
    async with grpc.aio.insecure_channel(address) as channel:
        stub = GeneratorServiceStub(channel)
        before = await drawn(stub, 20)
        for jump_s in (1e9, -1e9, 86_400):
            monkeypatch.setattr(time, "time", lambda jump_s=jump_s: real() + jump_s)
            assert await drawn(stub, 20) == before
    monkeypatch.undo()
    await server.stop()


async def test_silent_connections(model_root, tmp_path):
    """Connections that say nothing or nonsense keep nobody from being served, and leave nothing behind."""
    async with server_process("services.generator", "--models", str(model_root)) as server:
        host, port = server.address.rsplit(":", 1)
        pid = server._process.pid
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = GeneratorServiceStub(channel)
            before = await drawn(stub)
            open_before = descriptors_of(pid)
            sockets = []
            for said in (b"", b"PRI * HTTP/2.0\r\n", b"GET / HTTP/1.1\r\n\r\n", bytes(100)) * 50:
                connection = socket.create_connection((host, int(port)))
                connection.send(said)
                sockets.append(connection)
            assert await drawn(stub) == before
            for connection in sockets:
                connection.close()
            for _ in range(600):
                if descriptors_of(pid) <= open_before + 2:
                    break
                await asyncio.sleep(0.05)
            assert descriptors_of(pid) <= open_before + 2
        server.terminate()
        await server.exit_code()
        assert "Traceback" not in server.log


async def test_no_room_for_logs(model_root):
    """A server whose log has no room on its disk goes on answering."""
    port = free_port()
    command = [sys.executable, "-m", "services.generator", "--models", str(model_root), "--port", str(port)]
    process = await asyncio.to_thread(start_without_log, *command, "--log-level", "debug")
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = GeneratorServiceStub(channel)
            for _ in range(5):
                answer = await stub.Generate(request(), wait_for_ready=True, timeout=120)
                assert len(answer.images) == 1
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 60) == 0
    finally:
        process.kill()


def test_no_room_for_callers(tmp_path):
    """A file of callers that has no room for one more stays as it was, and the command says why."""
    file = tmp_path / "callers.toml"
    command = [sys.executable, "-m", "services.generator", "token", "NAME", "--scope", "admin"]
    command += ["--callers", str(file)]
    subprocess.run([part.replace("NAME", "first") for part in command], check=True, capture_output=True)
    before = file.read_text()
    size = len(before)
    made = subprocess.run(
        [part.replace("NAME", "second") for part in command],
        capture_output=True,
        text=True,
        check=False,
        # As a full disk: writing beyond this size fails, once the signal for it is ignored.
        preexec_fn=lambda: (
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        ),
    )
    assert made.returncode == 1
    assert "cannot write" in made.stderr
    assert "Traceback" not in made.stderr
    assert file.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["callers.toml"]


async def test_no_room_for_models(tmp_path):
    """A new version for which the cache has no room is not served, and told; it is once there is room."""
    root = tmp_path / "models"
    write_model(root, "dogs", 1, labels=(), seed=3)
    options = ["--models", f"local://{root}", "--model-cache", str(tmp_path / "cache"), "--watch-s", "0.2"]
    async with server_process("services.generator", *options) as server:
        pid = server._process.pid
        listing = repository_pb.ListModelVersionsRequest()
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub, repository = GeneratorServiceStub(channel), ModelRepositoryServiceStub(channel)

            async def told_of_new() -> tuple[int, str]:
                versions = (await repository.ListModelVersions(listing)).versions
                return next(
                    ((found.state, found.reason) for found in versions if found.version == 2), (0, "")
                )

            before = await drawn(stub)
            limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1000, limits[1]))  # as a full disk
            write_model(root, "dogs", 2, labels=(), seed=4)
            while "File too large" not in (await told_of_new())[1]:
                assert await drawn(stub) == before
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
            while (await told_of_new())[0] != repository_pb.MODEL_STATE_READY:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            assert await drawn(stub) != before
        server.terminate()
        assert await server.exit_code() == 0
        assert "Traceback" not in server.log


async def test_caller_vanishes(model_root, tmp_path, monkeypatch):
    """The calls of a machine that vanishes without a word end, and its connection is closed."""
    monkeypatch.setattr("services.common.server.KEEPALIVE_MS", 300)  # of 20,000
    service = build_service(GeneratorSettings(models=model_root, watch_s=0))
    server = Server([service], ServerOptions(grace_s=0))
    host, port = (await server.start("127.0.0.1:0")).rsplit(":", 1)
    reachable = asyncio.Event()
    reachable.set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**16):
            await reachable.wait()  # then nothing passes any more, and nobody is told
            writer.write(data)
            await writer.drain()

    ended = asyncio.Event()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server, of_server = await asyncio.open_connection(host, int(port))
        there = asyncio.create_task(pass_on(reader, of_server))
        with suppress(ConnectionError):
            await pass_on(to_server, writer)
        there.cancel()
        ended.set()  # the server has closed the connection

    proxy = await asyncio.start_server(connect, "127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}") as channel:
        call = GeneratorServiceStub(channel).GenerateStream(
            pb.GenerateStreamRequest(request=request(100_000))
        )
        await call.read()
        assert server._interceptor.calls
        reachable.clear()
        while server._interceptor.calls:  # noqa: ASYNC110 - it is the server's, which tells nobody
            await asyncio.sleep(0.05)
        reachable.set()
        await ended.wait()
        call.cancel()
    proxy.close()
    await server.stop()


async def test_out_of_memory(tmp_path):
    """A batch for which there is no memory is drawn in smaller ones; without any, its calls alone fail."""
    write_model(tmp_path, "dogs", 1, labels=(), seed=3, image_size_px=256, width=16)
    options = ["--models", str(tmp_path), "--watch-s", "0", "--threads", "1", "--max-batch-size", "64"]
    async with server_process("services.generator", *options) as server:
        pid = server._process.pid
        async with grpc.aio.insecure_channel(
            server.address, options=[("grpc.max_receive_message_length", -1)]
        ) as channel:
            stub = GeneratorServiceStub(channel)

            async def images(count: int) -> bytes:
                call = stub.GenerateStream(pb.GenerateStreamRequest(request=request(count)))
                return b"".join([image.data async for answer in call for image in answer.images])

            limits = resource.prlimit(pid, resource.RLIMIT_AS)
            resource.prlimit(pid, resource.RLIMIT_AS, (memory_of(pid) + 12 * 2**20, limits[1]))
            call = stub.GenerateStream(pb.GenerateStreamRequest(request=request(64)))
            code = await call.code()
            resource.prlimit(pid, resource.RLIMIT_AS, limits)
            assert code in {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
            assert len(await images(64)) == 64 * 256 * 256 * 3
        server.terminate()
        assert await server.exit_code() == 0
        assert "no memory to draw 64 images at a time" in server.log, server.log

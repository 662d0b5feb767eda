"""The program `ganpress-generator`, as a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys

import grpc
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1 import image_pb2
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub

from tests.helpers.servers import server_process

MODULE = "services.generator"


async def run(*options: str) -> tuple[int | None, str]:
    """Runs the program to its end; returns exit code and stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", MODULE, *options), stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate()
    return process.returncode, stderr.decode()


async def test_drain_on_sigterm(model_root):
    """After SIGTERM a running stream is finished, new calls are refused, and the process ends with 0."""
    async with server_process(MODULE, "--models", str(model_root), "--grace-s", "60") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = GeneratorServiceStub(channel)
            images = pb.GenerateRequest(count=10_000, seed=0, format=image_pb2.IMAGE_FORMAT_RAW_U8)
            stream = aiter(stub.GenerateStream(pb.GenerateStreamRequest(request=images)))
            received = len((await anext(stream)).images)
            server.terminate()
            await server.read_log_until("(stopping)")
            async for answer in stream:
                received += len(answer.images)
            assert received == 10_000
        assert await server.exit_code() == 0
        assert "stopped" in server.log
        assert "Traceback" not in server.log


async def test_grace_ends(model_root):
    """A stream that outlives the grace is cut, and the process still ends with 0."""
    async with server_process(
        MODULE, "--models", str(model_root), "--grace-s", "0.2", "--max-count", "1000000000"
    ) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            request = pb.GenerateStreamRequest(request=pb.GenerateRequest(count=1_000_000_000))
            stream = GeneratorServiceStub(channel).GenerateStream(request)
            await stream.read()
            server.terminate()
            assert await server.exit_code() == 0
        assert "Traceback" not in server.log


async def test_environment_and_json_log(model_root, tmp_path):
    """Settings come from the environment, too; a JSON log has one object a line; a Unix socket is served."""
    env = {
        "GANPRESS_GENERATOR_MODELS": str(model_root),
        "GANPRESS_GENERATOR_ADDRESS": f"unix:{tmp_path}/g.sock",
        "GANPRESS_GENERATOR_LOG_FORMAT": "json",
    }
    async with server_process(MODULE, env=env) as server:
        address = server.address.rstrip('"}')
        async with grpc.aio.insecure_channel(address) as channel:
            assert (await GeneratorServiceStub(channel).ListModels(pb.ListModelsRequest())).models
        server.terminate()
        assert await server.exit_code() == 0
        messages = [json.loads(line)["message"] for line in server.log.splitlines()]
    assert f"listening on unix:{tmp_path}/g.sock" in messages
    assert any(message.startswith("model dogs version 1 is ready after ") for message in messages)


async def test_nothing_to_serve(tmp_path):
    """Without a model the program says so in one line and ends with 1."""
    code, stderr = await run("--port", "0", "--models", str(tmp_path))
    assert code == 1
    assert stderr.startswith(f"Error: there is no sound model in {tmp_path}")
    assert stderr.count("\n") == 1


async def test_port_in_use(model_root):
    """A port that is taken is named in one line, and the program ends with 1."""
    async with server_process(MODULE, "--models", str(model_root)) as server:
        port = server.address.rpartition(":")[2]
        code, stderr = await run("--port", port, "--models", str(model_root))
    assert code == 1
    assert f"Error: cannot listen on '127.0.0.1:{port}'" in stderr
    assert "Traceback" not in stderr


async def test_a_required_device_is_there_or_nothing_starts(model_root):
    """Without the GPU that it requires the server ends with 1 and a sentence; OpenVINO never is on one."""
    code, stderr = await run(
        *("--models", str(model_root), "--port", "0", "--runtime", "openvino"),
        *("--device", "cuda", "--device-required", "true"),
    )
    assert code == 1
    assert "the device 'cuda' is required and cannot be used: the runtime 'openvino'" in stderr
    assert "Traceback" not in stderr

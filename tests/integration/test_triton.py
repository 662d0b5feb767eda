"""Triton's own Python client against the generator: programs written for Triton work unchanged."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from ganpress.v1.image_pb2 import IMAGE_FORMAT_RAW_U8

from client.channel import open_channel
from tests.helpers.servers import server_process

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = REPOSITORY / "tests/triton/use_client.py"
PACKAGE = "tritonclient[grpc]==2.73.0"

pytestmark = pytest.mark.triton


@pytest.fixture(scope="session")
def triton_python(pytestconfig: pytest.Config) -> Path:
    """Python with tritonclient, in an environment of its own that later runs find again.

    It wants an older protobuf than ours; beside ours, pip would take a client that is years old.
    """
    directory = pytestconfig.cache.mkdir("tritonclient-2.73.0")
    python, is_complete = directory / "bin/python", directory / "complete"
    if not is_complete.exists():
        venv.create(directory, clear=True)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        command = [*pip, "install", "--quiet", "--no-compile", PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            pytest.skip(f"{PACKAGE} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
        is_complete.touch()
    return python


@pytest.fixture(scope="module")
def told(triton_python: Path, model_root: Path) -> dict[str, Any]:
    """What the program with tritonclient saw of a server; and `own`, what our client got of the same."""

    async def use() -> dict[str, Any]:
        options = ("--models", str(model_root), "--threads", "1", "--model-control", "true")
        async with server_process("services.generator", *options) as server:
            process = await asyncio.create_subprocess_exec(
                *(str(triton_python), str(PROGRAM), server.address),
                env={**os.environ, "PYTHONPATH": str(REPOSITORY / "protos")},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            stdout, stderr = await asyncio.wait_for(process.communicate(), 300)
            assert process.returncode == 0, stderr.decode()
            async with open_channel(server.address) as channel:
                request = pb.GenerateRequest(
                    model="cars", model_version=1, seed=7, count=3, truncation=0.5, format=IMAGE_FORMAT_RAW_U8
                )
                answer = await GeneratorServiceStub(channel).Generate(request)
        return {**json.loads(stdout), "own": [image.data for image in answer.images]}

    return asyncio.run(use())


def test_server_and_models(told: dict[str, Any]) -> None:
    """The client finds the server, its models and their tensors."""
    server = told["server"]
    assert (server["live"], server["ready"], server["models"]) == (True, True, [True, True, False])
    assert server["metadata"]["name"] == "ganpress"
    assert "statistics" in server["metadata"]["extensions"]
    model = server["model"]
    assert model["versions"] == ["1", "2"]
    assert model["inputs"] == [
        {"name": "z", "datatype": "FP32", "shape": ["-1", "12"]},
        {"name": "label", "datatype": "INT64", "shape": ["-1", "1"]},
    ]
    config = server["config"]
    assert config["max_batch_size"] == 21767  # images of 3 KiB in 64 MiB
    assert config["input"][1]["optional"]
    assert config["dynamic_batching"]["priority_levels"] == "3"


def test_inference(told: dict[str, Any]) -> None:
    """Raw, typed, named, asynchronous and asyncio requests get the same images."""
    infer = told["infer"]
    shape, dtype, digest = infer["image"]
    assert (shape, dtype, infer["label"]) == ([5, 3, 16, 16], "float32", [0, 1, 2, 1, 0])
    assert (infer["id"], infer["version"]) == ("five", "2")
    assert infer["asynchronous"] == [digest, "None"]
    assert infer["named"] == infer["typed"] == infer["aio"] == digest
    assert infer["wanted"] == ["label"]


def test_seeds(told: dict[str, Any]) -> None:
    """A seed given as a parameter gives the images that our own API gives."""
    shape, digest = told["infer"]["pixels"]
    assert shape == [3, 16, 16, 3]
    assert digest == hashlib.sha256(b"".join(told["own"])).hexdigest()
    assert told["infer"]["seed"] == 7


def test_stream(told: dict[str, Any]) -> None:
    """A stream answers in the order of its requests; one that fails does not end it."""
    stream = told["stream"]
    assert "there is no model 'cats'" in stream.pop(10)
    assert [name for name, _ in stream] == [str(number) for number in range(20) if number != 10]
    assert len({digest for _, digest in stream}) == 19


def test_statistics(told: dict[str, Any]) -> None:
    """Statistics advance by what was asked."""
    before, after = told["statistics"]
    assert np.subtract(after, before).tolist() == [5, 1]


def test_repository(told: dict[str, Any]) -> None:
    """A model is unloaded and loaded again by the client."""
    repository = told["repository"]
    assert {model["state"] for model in repository["index"]} == {"READY"}
    assert repository["unloaded"][0] == "StatusCode.NOT_FOUND"
    assert {model["name"] for model in repository["index_without"] if model["state"] == "UNAVAILABLE"} == {
        "dogs"
    }
    assert repository["loaded"] == ["OK", ""]


CODES = {
    "unknown model": "NOT_FOUND",
    "unknown version": "NOT_FOUND",
    "bad version": "INVALID_ARGUMENT",
    "unknown input": "INVALID_ARGUMENT",
    "bad type": "INVALID_ARGUMENT",
    "bad shape": "INVALID_ARGUMENT",
    "unknown output": "INVALID_ARGUMENT",
    "too many": "INVALID_ARGUMENT",
    "sequence": "INVALID_ARGUMENT",
    "deadline": "DEADLINE_EXCEEDED",
    "shared memory": "UNIMPLEMENTED",
    "shared memory status": "UNIMPLEMENTED",
    "trace": "UNIMPLEMENTED",
    "log": "UNIMPLEMENTED",
    "load unknown": "NOT_FOUND",
    "load with files": "UNIMPLEMENTED",
}


@pytest.mark.parametrize("case", CODES)
def test_errors(told: dict[str, Any], case: str) -> None:
    """Each mistake has the status that Triton's users expect, and a sentence."""
    status, message = told["errors"][case]
    assert status == f"StatusCode.{CODES[case]}"
    assert message


def test_both_stubs_in_one_process(told: dict[str, Any]) -> None:
    """Our stubs of the protocol and tritonclient's have the same names and do not clash."""
    assert told["names"] == ["inference.ModelInferRequest"] * 2

"""Another language: Node.js with the .proto files alone."""

import asyncio
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from client.api import GanpressClient
from tests.helpers.models import write_model
from tests.helpers.servers import server_process

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = REPOSITORY / "examples/node"


@pytest.fixture(scope="session")
def node_program() -> Path:
    """The Node.js program with its packages installed; skips where there is no Node.js."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    if not (PROGRAM / "node_modules/@grpc/grpc-js").is_dir():
        subprocess.run(["npm", "install", "--silent"], cwd=PROGRAM, check=True, timeout=300)
    return PROGRAM / "generate_and_compress.js"


@pytest.mark.node
async def test_node_generates_and_compresses(node_program: Path, tmp_path: Path) -> None:
    """A Node.js program gets the same bytes as the Python client, and errors with their codes."""
    write_model(tmp_path / "models", "cars")
    seed = 2**53 + 1  # more than a JavaScript number holds
    async with (
        server_process("services.generator", "--models", str(tmp_path / "models")) as generator,
        server_process("services.compressor") as compressor,
        GanpressClient(generator=generator.address, compressor=compressor.address) as client,
    ):
        process = await asyncio.create_subprocess_exec(
            *("node", str(node_program), str(REPOSITORY / "protos"), generator.address, compressor.address),
            *("cars", "sedan", str(seed), str(tmp_path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        stdout, stderr = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, stderr.decode()
        (image,) = [image async for image in client.generate(model="cars", label="sedan", seed=seed)]
        compressed = await client.compress(image.data, "kmeans", {"k": 8})
    said = json.loads(stdout)
    assert (tmp_path / "image.png").read_bytes() == image.data
    assert (tmp_path / "compressed.png").read_bytes() == compressed.data
    assert said["image"]["seed"] == str(seed)
    assert said["image"]["label"] == "sedan"
    assert said["image"]["model_digest"] == image.model_digest
    assert said["codec"] == "kmeans"
    assert said["stats"]["output_bytes"] == str(len(compressed.data))
    assert said["refusal"]["code"] == "INVALID_ARGUMENT"
    assert "coupe, sedan, suv" in said["refusal"]["details"]
    assert Image.open(io.BytesIO(compressed.data)).mode == "P"

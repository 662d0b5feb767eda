"""Codecs that are compiled before they are needed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numba
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.compressor.codecs import Pixels
from services.compressor.codecs.png import Png
from services.compressor.warm_up import compile_codec, unpack_cache
from tests.helpers.servers import server_process

_COMPILES_NOTHING = """
import sys
import numpy as np
from numba.core.dispatcher import Dispatcher
from services.compressor.codecs import decode, get_codec
from services.compressor.warm_up import warm_up

def compiled():
    modules = [module for name, module in sys.modules.items() if name.startswith("services.")]
    values = [value for module in modules for value in vars(module).values()]
    functions = [value for value in values if isinstance(value, Dispatcher)]
    return {f"{f.py_func.__module__}.{f.py_func.__name__}": len(f.signatures) for f in functions}

warm_up()
before = compiled()
assert sum(before.values()) > 20
random = np.random.default_rng(1)
for channels, height_px, width_px in [(1, 33, 70), (3, 150, 100), (4, 9, 9), (3, 1, 1)]:
    image = random.integers(0, 256, (height_px, width_px, channels), np.uint8)
    for options in ({}, {"effort": "fast"}, {"quality": 95}, {"threshold": 0.1}):
        decode(get_codec("dct", **options).encode(image))
    decode(get_codec("kmeans", k=7).encode(image))
print(*sorted(compiled().items() - before.items()), end="")
"""


def test_warm_codecs_compile_nothing() -> None:
    """After the warm-up, images of other sizes, kinds and options need no function that is not compiled."""
    found = subprocess.run(
        [sys.executable, "-c", _COMPILES_NOTHING], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, ""), found.stderr


@dataclass(frozen=True)
class CompiledPng(Png):
    """PNG by way of a function that Numba compiles."""

    def _encode(self, image: Pixels) -> bytes:
        assert _copied(image).shape == image.shape
        return super()._encode(image)


@numba.njit
def _copied(image: Pixels) -> Pixels:
    return image.copy()


def test_compiling_is_announced_once() -> None:
    """Whoever waits is told that code is compiled, once and only where it is not compiled already."""
    announced: list[str] = []
    for _ in range(2):
        compile_codec(CompiledPng(), lambda: announced.append("compiling"))
    assert announced == ["compiling"]


async def test_not_serving_before_warm() -> None:
    """The server's health turns SERVING only after every codec was tried."""
    serving = health_pb2.HealthCheckResponse.SERVING
    request = health_pb2.HealthCheckRequest(service="ganpress.v1.CompressorService")
    async with server_process("services.compressor", "--threads", "1") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            status = (await health.Check(request)).status
            if "workers started" not in server.log:
                # Either it is not ready yet, or the line is there by now: it is written before.
                await asyncio.wait_for(
                    server.read_log_until("(workers started)"), 5 if status == serving else None
                )
            async for answer in health.Watch(request):
                if answer.status == serving:
                    break
        server.terminate()
        assert await server.exit_code() == 0


def test_built_cache_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an image's build compiled is copied to where Numba looks; without either nothing happens."""
    built, target = tmp_path / "built", tmp_path / "target"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(target))
    unpack_cache(built)
    assert not target.exists()
    (built / "dct_1").mkdir(parents=True)
    (built / "dct_1/step.nbi").write_bytes(b"index")
    for _ in range(2):
        unpack_cache(built)
        assert (target / "dct_1/step.nbi").read_bytes() == b"index"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    unpack_cache(built)

"""Images a second of the generator service beside ONNX Runtime alone, measured in the same run.

`python benchmarks/generator.py [--models DIR] [--model cars]` prints a Markdown table. The machine may be
busy, so every number is the median of interleaved rounds and what counts is the ratio: served images a
second over those of plain ONNX Runtime runs, one thread a CPU, at its best batch size. The server is a
process of its own; the client shares its CPUs.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import grpc
import numpy as np
import onnxruntime
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from ganpress.v1.image_pb2 import IMAGE_FORMAT_PNG, IMAGE_FORMAT_RAW_U8, ImageFormat

from services.common.server import CHANNEL_OPTIONS
from services.generator.catalogue import Catalogue
from services.generator.models import PACKAGED_MODELS, Model, find_models
from services.generator.noise import latents
from services.generator.settings import GeneratorSettings

LOADS = ((1, 1), (8, 1), (32, 1), (1, 64), (4, 64))
"""Clients at the same time, images a call."""
RAW_BATCH_SIZES = (1, 8, 32)


@dataclass
class Measured:
    """Rounds of one load."""

    images_per_s: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)


def raw_runner(model: Model, threads: int) -> Callable[[int, float], float]:
    """Returns a function (batch size, seconds) -> images a second of plain ONNX Runtime runs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.onnx_path, options, providers=["CPUExecutionProvider"])

    def run(batch_size: int, duration_s: float) -> float:
        feed: dict[str, np.ndarray] = {"z": latents(range(batch_size), model.card.z_dim)}
        if model.labels:
            feed["label"] = np.zeros(batch_size, np.int64)
        start = time.perf_counter()

        def work(_: int) -> int:
            images = 0
            while time.perf_counter() - start < duration_s:
                session.run(["image"], feed)
                images += batch_size
            return images

        with ThreadPoolExecutor(threads) as pool:
            images = sum(pool.map(work, range(threads)))
        return images / (time.perf_counter() - start)

    return run


async def served(
    channel: grpc.aio.Channel,
    request: pb.GenerateRequest,
    clients: int,
    duration_s: float,
    measured: Measured,
) -> None:
    """Adds one round of a load to `measured`."""
    stub = GeneratorServiceStub(channel)
    start = time.perf_counter()

    async def client() -> int:
        images = 0
        while (called := time.perf_counter()) - start < duration_s:
            async for answer in stub.Generate(request):
                images += len(answer.images)
            measured.latencies_ms.append(1000 * (time.perf_counter() - called))
        return images

    images = sum(await asyncio.gather(*(client() for _ in range(clients))))
    measured.images_per_s.append(images / (time.perf_counter() - start))


async def start_server(models: Path, threads: int) -> tuple[asyncio.subprocess.Process, str]:
    """Starts the service on a free port and returns its process and address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.generator", "--port", "0"),
        *("--models", str(models), "--threads", str(threads)),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    async for line in process.stderr:
        if match := re.search(r"listening on (\S+)", line.decode()):
            return process, match[1]
    raise SystemExit("the generator did not start")


async def measure(
    models: Path, model: Model, rounds: int, duration_s: float, image_format: ImageFormat.ValueType
) -> None:
    threads = GeneratorSettings.load().worker_count
    run_raw = raw_runner(model, threads)
    raw: dict[int, list[float]] = {size: [] for size in RAW_BATCH_SIZES}
    loads = {load: Measured() for load in LOADS}
    process, address = await start_server(models, threads)
    try:
        async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
            for number in range(rounds):
                for size, results in raw.items():
                    results.append(await asyncio.to_thread(run_raw, size, duration_s))
                for (clients, count), measured in loads.items():
                    request = pb.GenerateRequest(
                        model=model.name, count=count, seed=number, format=image_format
                    )
                    await served(channel, request, clients, duration_s, measured)
    finally:
        process.terminate()
        await process.communicate()
    best = max(raw, key=lambda size: median(raw[size]))
    limit = median(raw[best])
    print(
        f"{model.name} {model.version}, {model.card.image_size_px} px, {ImageFormat.Name(image_format)}; "
        f"ONNX Runtime {onnxruntime.__version__} alone: {limit:.0f} images/s "
        f"with {threads} threads at batch {best}\n\n"
        "| clients x images | ratio to ONNX Runtime alone | images/s | p50 ms | p99 ms |\n"
        "| --- | --- | --- | --- | --- |"
    )
    for (clients, count), measured in loads.items():
        rate = median(measured.images_per_s)
        p50, p99 = np.percentile(measured.latencies_ms, [50, 99])
        print(f"| {clients} x {count} | {rate / limit:.2f} | {rate:.0f} | {p50:.1f} | {p99:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=PACKAGED_MODELS, help="model repository")
    parser.add_argument("--model", default="cars", help="model name")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds a load and round")
    parser.add_argument("--png", action="store_true", help="ask for PNG files in place of bare samples")
    options = parser.parse_args()
    found = find_models(options.models)
    if not found:
        raise SystemExit(f"there is no model in {options.models}")
    model = Catalogue(found, options.model).find(options.model)
    image_format = IMAGE_FORMAT_PNG if options.png else IMAGE_FORMAT_RAW_U8
    asyncio.run(measure(options.models, model, options.rounds, options.seconds, image_format))


if __name__ == "__main__":
    main()

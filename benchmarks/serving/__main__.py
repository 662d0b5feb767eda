"""Prints how fast images are served, as ratios to ONNX Runtime alone in the same run.

`python -m benchmarks.serving` measures rounds of: ONNX Runtime with one session on all cores ("raw"), with
one-thread sessions side by side ("raw2x1" on two cores), and the server under each load. Rounds are
interleaved, every number is a median, and what counts are the ratios: the machine may be busy. Server and
callers share its cores.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from pathlib import Path
from statistics import median

import onnxruntime

from benchmarks.serving import limits, models, ours
from benchmarks.serving.load import LOADS, STREAM, Load, Measured, put

LONG_STREAM = 100_000


async def measure(root: Path, size_px: int, rounds: int, duration_s: float, options: list[str]) -> None:
    """Measures one model and prints its table."""
    cores = len(os.sched_getaffinity(0))
    path = models.onnx_path(root, size_px)
    runners = {
        f"one session, {cores} threads": limits.one_session(path, models.Z_DIM, cores),
        f"{cores} one-thread sessions": limits.side_by_side(path, models.Z_DIM, cores),
    }
    raw = {(name, size): list[float]() for name in runners for size in limits.BATCH_SIZES}
    loads = {load: Measured() for load in (*LOADS, STREAM)}
    async with ours.server(root, *options) as (server, address), ours.asking(address, size_px) as ask:
        await ask(0, 32)
        memory_mb = server.memory_mb()
        for _ in range(rounds):
            for (name, size), rates in raw.items():
                rates.append(await asyncio.to_thread(runners[name], size, duration_s / 2))
            for load, measured in loads.items():
                await put(load, ask, server, duration_s, measured)
        print(f"\n## {size_px}x{size_px}, ONNX Runtime {onnxruntime.__version__}, {cores} cores\n")
        print(
            "| ONNX Runtime alone, images/s | " + " | ".join(f"batch {n}" for n in limits.BATCH_SIZES) + " |"
        )
        print("| --- |" + " --- |" * len(limits.BATCH_SIZES))
        for name in runners:
            cells = (f"{median(raw[name, size]):.0f}" for size in limits.BATCH_SIZES)
            print(f"| {name} | {' | '.join(cells)} |")
        best = {name: max(median(raw[name, size]) for size in limits.BATCH_SIZES) for name in runners}
        print_loads(loads, list(best.values())[1])
        print(f"\nMemory (PSS) with {len(models.SIZES_PX)} models: {memory_mb:.0f} MB at first, "
              f"{server.memory_mb():.0f} MB after these loads")  # fmt: skip


def print_loads(loads: dict[Load, Measured], limit: float) -> None:
    """Prints the table of a server."""
    print(
        "\n| callers x images | images/s | of the limit | p50 ms | p99 ms | CPU ms/image: server | callers |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for load, m in loads.items():
        print(
            f"| {load} | {m.rate:.0f} | **{m.rate / limit:.2f}** "
            f"| {m.latency_ms(50):.1f} | {m.latency_ms(99):.1f} "
            f"| {median(m.server_cpu_ms):.2f} | {median(m.client_cpu_ms):.2f} |",
            flush=True,
        )


async def measure_memory(root: Path, options: list[str]) -> None:
    """Prints the server's memory over a stream of many images."""
    async with ours.server(root, *options) as (server, address), ours.asking(address, 32) as ask:
        sizes = []
        for _ in range(5):
            await ask(0, LONG_STREAM // 5)
            sizes.append(server.memory_mb("Rss"))
    print(
        f"\nRSS after each fifth of {LONG_STREAM:,} images: " + ", ".join(f"{mb:.0f}" for mb in sizes) + " MB"
    )


async def run(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        models.write_models(root)
        if options.int8:
            await asyncio.to_thread(models.quantize_models, root)
        for size_px in options.sizes:
            await measure(root, size_px, options.rounds, options.seconds, options.server)
        if options.memory:
            await measure_memory(root, options.server)


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=models.SIZES_PX, help="sides in pixels")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds a load and round")
    parser.add_argument("--memory", action="store_true", help="stream 100,000 images and watch the memory")
    parser.add_argument("--int8", action="store_true", help="serve the models' int8 variants by OpenVINO")
    parser.add_argument("server", nargs="*", help="options of the server, after --")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()

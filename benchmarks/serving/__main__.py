"""Prints how fast images are served, as ratios to ONNX Runtime alone in the same round.

Each round measures the limit, one-thread sessions of ONNX Runtime side by side without any server ("raw2x1"
on two cores), and then every load. Numbers are medians of the rounds; what counts are the ratios, since the
machine may be busy. Server and callers share its cores.

`--peers` also measures other servers, each in an environment of its own that is installed the first time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import onnxruntime

from benchmarks.serving import limits, models
from benchmarks.serving.asking import Asking, by_our_api, wait_until_ready
from benchmarks.serving.contenders import OURS, PEERS, Peer, our_command
from benchmarks.serving.load import HEAD, LOADS, STREAM, Load, Measured, put
from benchmarks.serving.processes import Processes, free_port, running

LONG_STREAM = 100_000
MAX_BATCH = 64  # of the peers: the largest request has so many images


@dataclass(frozen=True)
class Bench:
    """What all measurements share."""

    root: Path
    """Model repository."""
    rounds: int
    seconds: float
    """Of a load in a round."""
    cores: int

    def limit(self, size_px: int) -> float:
        """Measures the limit anew: images a second of one-thread sessions, at the best batch size."""
        run = limits.side_by_side(models.onnx_path(self.root, size_px), models.Z_DIM, self.cores)
        return max(run(size, self.seconds / 2) for size in (8, 32))

    async def contend(
        self, command: Sequence[str], env: dict[str, str], port: int, asking: Asking, size_px: int,
        loads: Iterable[Load],
    ) -> tuple[dict[Load, Measured], float]:  # fmt: skip
        """Runs a server and puts loads on it; returns what was measured, and its memory (PSS) in MB."""
        measured = {load: Measured() for load in loads}
        async with running(command, env=env) as server, asking(port, size_px) as ask:
            await wait_until_ready(ask, server)
            await ask(0, 32)
            for _ in range(self.rounds):
                limit = await asyncio.to_thread(self.limit, size_px)
                for load, one in measured.items():
                    await put(load, ask, server, self.seconds, limit, one)
            return measured, server.memory_mb()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a Markdown table."""
    print(f"\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def print_limits(bench: Bench, size_px: int) -> None:
    """Measures ONNX Runtime alone."""
    path = models.onnx_path(bench.root, size_px)
    runners = {
        f"one session, {bench.cores} threads": limits.one_session(path, models.Z_DIM, bench.cores),
        f"{bench.cores} one-thread sessions": limits.side_by_side(path, models.Z_DIM, bench.cores),
    }
    rates = {(name, size): list[float]() for name in runners for size in limits.BATCH_SIZES}
    for _ in range(bench.rounds):
        for (name, size), measured in rates.items():
            measured.append(runners[name](size, bench.seconds / 3))
    table(
        ["ONNX Runtime alone, images/s", *(f"batch {size}" for size in limits.BATCH_SIZES)],
        ([name, *(f"{median(rates[name, size]):.0f}" for size in limits.BATCH_SIZES)] for name in runners),
    )


async def measure_ours(bench: Bench, size_px: int, options: Sequence[str]) -> None:
    """Prints our server's table, asked in both ways."""
    rows: list[list[str]] = []
    for name, asking in OURS.items():
        port = free_port()
        loads = (*LOADS, STREAM) if asking is by_our_api else LOADS
        command = our_command(bench.root, port, options)
        measured, memory_mb = await bench.contend(command, {}, port, asking, size_px, loads)
        rows += ([name, str(load), *one.cells(), f"{memory_mb:.0f}"] for load, one in measured.items())
    table(["server", "callers x images", *HEAD, "MB"], rows)


async def measure_peers(bench: Bench, size_px: int, peers: Sequence[Peer]) -> None:
    """Prints the other servers' table; one that does not run is named with the reason."""
    rows: list[list[str]] = []
    for peer in peers:
        port = free_port()
        env = {
            "BENCH_MODEL": str(models.onnx_path(bench.root, size_px)),
            "BENCH_NAME": models.name(size_px),
            "BENCH_SIZE_PX": str(size_px),
            "BENCH_PORT": str(port),
            "BENCH_WORKERS": str(bench.cores),
            "BENCH_MAX_BATCH": str(MAX_BATCH),
            "PORT": str(port),
            "BENTOML_PORT": str(port),
            "PYTHONPATH": "",
        }
        try:
            command = [str(await asyncio.to_thread(peer.python)), *peer.command]
            measured, memory_mb = await bench.contend(command, env, port, peer.asking, size_px, LOADS)
        except RuntimeError as error:
            print(f"{peer.name}: {error}")
            continue
        rows += ([peer.name, str(load), *one.cells(), f"{memory_mb:.0f}"] for load, one in measured.items())
    table(["server", "callers x images", *HEAD, "MB"], rows)


async def measure_scaling(bench: Bench, size_px: int) -> None:
    """Prints how much faster all cores are than one, callers included."""
    cores, rates = sorted(os.sched_getaffinity(0)), dict[Load, list[list[float]]]()
    loads = (Load(8, 1), Load(1, 64))
    for count in (1, len(cores)):
        os.sched_setaffinity(0, cores[:count])
        port = free_port()
        on_cores = Bench(bench.root, bench.rounds, bench.seconds, count)
        command = our_command(bench.root, port)
        measured, _ = await on_cores.contend(command, {}, port, by_our_api, size_px, loads)
        for load, one in measured.items():
            rates.setdefault(load, []).append(one.images_per_s)
    table(
        ["callers x images", "1 core, images/s", f"{len(cores)} cores", "ratio"],
        (
            [str(load), f"{median(few):.0f}", f"{median(many):.0f}", f"{median(many) / median(few):.2f}"]
            for load, (few, many) in rates.items()
        ),
    )


async def measure_memory(root: Path, options: Sequence[str]) -> None:
    """Prints the server's memory over a stream of many images."""
    async with AsyncExitStack() as stack:
        port = free_port()
        server: Processes = await stack.enter_async_context(running(our_command(root, port, options)))
        ask = await stack.enter_async_context(by_our_api(port, 32))
        await wait_until_ready(ask, server)
        sizes = list[float]()
        for _ in range(5):
            await ask(0, LONG_STREAM // 5)
            sizes.append(server.memory_mb("Rss"))
    told = ", ".join(f"{mb:.0f}" for mb in sizes)
    print(f"\nRSS after each fifth of {LONG_STREAM:,} images of 32x32: {told} MB")


async def run(options: argparse.Namespace) -> None:
    cores = len(os.sched_getaffinity(0))
    peers = [peer for peer in PEERS if {"all", peer.name} & set(options.peers)]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.rounds, options.seconds, cores)
        models.write_models(bench.root)
        if options.int8:
            await asyncio.to_thread(models.quantize_models, bench.root)
        for size_px in options.sizes:
            print(f"\n## {size_px}x{size_px}, ONNX Runtime {onnxruntime.__version__}, {cores} cores")
            print_limits(bench, size_px)
            await measure_ours(bench, size_px, options.server)
            if peers:
                await measure_peers(bench, size_px, peers)
        if options.scaling:
            await measure_scaling(bench, options.sizes[0])
        if options.memory:
            await measure_memory(bench.root, options.server)


def main() -> None:
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(
        "python -m benchmarks.serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=models.SIZES_PX, help="sides in pixels")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each measurement")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds a load and round")
    parser.add_argument("--peers", nargs="+", choices=["all", *names], default=[], help="other servers, too")
    parser.add_argument("--scaling", action="store_true", help="compare one core with all")
    parser.add_argument("--memory", action="store_true", help="stream 100,000 images and watch the memory")
    parser.add_argument("--int8", action="store_true", help="serve the models' int8 variants by OpenVINO")
    parser.add_argument("server", nargs="*", help="options of our server, after --")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()

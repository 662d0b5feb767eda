"""Prints how the throughput of an experiment grows with concurrency and workers, and how far the client goes.

The first table runs 64x64 images through DCT, k-means and JPEG with all their metrics; the compressor is a
process of its own. The second one has a compressor that answers at once, and measures the client with and
without metrics, in cells a second and in cells a second of its own processor time: on a busy machine the
latter counts. Every run writes its results durably to a new folder.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from client.api import GanpressClient
from client.experiment.plan.model import Plan
from client.experiment.plan.reading import PlanFile
from client.experiment.run.session import RunOptions, prepare, run_experiment
from client.experiment.store.folder import Store
from client.experiment.store.journal import Shard
from client.images import to_png
from client.tables import print_table

CODECS = [
    {"codec": "dct", "options": {"threshold": 0.01}},
    {"codec": "kmeans", "options": {"k": 64}},
    {"codec": "jpeg", "options": {"quality": [85, 90]}},
]
INSTANT = [{"codec": "jpeg", "options": {"quality": list(range(1, 101))}}]
CONCURRENCIES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Pace:
    """How a run went."""

    cells_per_s: float
    cells_per_cpu_s: float
    """Processor time is that of the client."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=40, help="images of the first table (default 40)")
    parser.add_argument("--cells", type=int, default=4000, help="cells of the second table (default 4000)")
    arguments = parser.parse_args()
    asyncio.run(_report(arguments.images, arguments.cells))


async def _report(images: int, cells: int) -> None:
    with tempfile.TemporaryDirectory(prefix="ganpress-") as text:
        folder = Path(text)
        _write_images(folder / "images", max(images, cells // 100))
        workers = sorted({1, *(2**power for power in range(1, 9) if 2**power <= (os.cpu_count() or 1))})
        rows: list[list[str]] = []
        plan = _plan(folder, images, CODECS)
        for count in workers:
            options = ("--threads", str(count), "--warm-up", "false")
            async with _server("services.compressor", "--port", "0", *options) as address:
                await _measure(address, plan, folder, 4)  # warm
                paces = [await _measure(address, plan, folder, number) for number in CONCURRENCIES]
            rows.append([str(count), *(f"{pace.cells_per_s:.1f}" for pace in paces)])
        print_table(["workers", *(f"concurrency {number}" for number in CONCURRENCIES)], rows)
        print("cells/s\n")
        rows = []
        for name, metrics in (("none", []), ("PSNR, SSIM", ["psnr_rgb_db", "psnr_y_db", "ssim"])):
            plan = _plan(folder, cells // 100, INSTANT, metrics=metrics)
            async with _server("benchmarks.experiment.instant") as address:
                for number in CONCURRENCIES[2:]:
                    pace = await _measure(address, plan, folder, number)
                    rows.append([name, str(number), f"{pace.cells_per_s:.0f}", f"{pace.cells_per_cpu_s:.0f}"])
        print_table(["metrics", "concurrency", "cells/s", "cells/s of processor time"], rows)


def _write_images(folder: Path, count: int) -> None:
    """Writes soft noise, which is as hard to compress as photographs are."""
    folder.mkdir()
    for number in range(count):
        random = np.random.default_rng(number)
        coarse = random.normal(128, 50, (9, 9, 3)).repeat(8, axis=0).repeat(8, axis=1)[:64, :64]
        pixels = coarse + random.normal(0, 8, coarse.shape)
        (folder / f"{number:04}.png").write_bytes(to_png(pixels.clip(0, 255).astype(np.uint8)))


def _plan(folder: Path, images: int, codecs: Sequence[Any], **changes: Any) -> Plan:
    source = {"name": "images", "kind": "real", "images": "images", "count": images}
    content = {"name": "pace", "data": str(folder), "keep_images": 0, "sources": [source], "codecs": codecs}
    return Plan.model_validate({**content, **changes})


async def _measure(address: str, plan: Plan, folder: Path, concurrency: int) -> Pace:
    store = Store(tempfile.mkdtemp(dir=folder))
    async with GanpressClient(compressor=address, timeout_s=600) as client:
        experiment, _ = await prepare(client, PlanFile(plan, "plan", "", {}))
        begin_s, begin_cpu_s = time.monotonic(), time.process_time()
        options = RunOptions(Shard(), concurrency=concurrency, quiet=True)
        progress = await run_experiment(client, experiment, store, options)
        taken_s, taken_cpu_s = time.monotonic() - begin_s, time.process_time() - begin_cpu_s
    return Pace(progress.total / taken_s, progress.total / taken_cpu_s)


@asynccontextmanager
async def _server(*command: str) -> AsyncIterator[str]:
    """Runs a server and yields its address."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *command, stderr=pipe)
    try:
        assert process.stderr
        async for line in process.stderr:
            if b"listening on " in line:
                yield line.decode().partition("listening on ")[2].split()[0]
                break
        else:
            raise SystemExit(f"{command[0]} did not start")
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    main()

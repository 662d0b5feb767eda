"""Callers that ask a server for images, one call after the other, and what they see."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from benchmarks.serving.processes import Processes

Ask = Callable[[int, int], Awaitable[int]]
"""From a seed and a number of images to the number that came."""


@dataclass(frozen=True)
class Load:
    """So many callers at the same time, each for so many images a call."""

    callers: int
    images: int

    def __str__(self) -> str:
        return f"stream of {self.images:,}" if self.images > 1000 else f"{self.callers} x {self.images}"


LOADS = (Load(1, 1), Load(8, 1), Load(32, 1), Load(1, 64))
STREAM = Load(1, 10_000)


@dataclass
class Measured:
    """Rounds of one load on one server."""

    images_per_s: list[float] = field(default_factory=list[float])
    ratios: list[float] = field(default_factory=list[float])
    """To the limit that was measured in the same round."""
    latencies_ms: list[float] = field(default_factory=list[float])
    server_cpu_ms: list[float] = field(default_factory=list[float])
    """CPU time of the server's processes, an image."""
    caller_cpu_ms: list[float] = field(default_factory=list[float])
    """CPU time of this process, an image."""

    def latency_ms(self, percentile: float) -> float:
        """Percentile over all calls of all rounds."""
        return float(np.percentile(self.latencies_ms, percentile))

    def cells(self) -> list[str]:
        """Returns ratio, images a second, p50, p99, CPU of the server and of the callers, for a table."""
        return [
            f"**{median(self.ratios):.2f}**",
            f"{median(self.images_per_s):.0f}",
            f"{self.latency_ms(50):.1f}",
            f"{self.latency_ms(99):.1f}",
            f"{median(self.server_cpu_ms):.2f}",
            f"{median(self.caller_cpu_ms):.2f}",
        ]


HEAD = ["of the limit", "images/s", "p50 ms", "p99 ms", "CPU ms an image: server", "callers"]


async def put(
    load: Load, ask: Ask, server: Processes, duration_s: float, limit: float, measured: Measured
) -> None:
    """Adds one round of a load to `measured`; a call that was begun in time is counted in full."""
    begun_s = time.perf_counter()
    server_s, callers_s = server.cpu_s(), time.process_time()

    async def caller(number: int) -> int:
        images = calls = 0
        while (called_s := time.perf_counter()) - begun_s < duration_s:
            images += await ask(1000 * number + calls, load.images)
            measured.latencies_ms.append(1000 * (time.perf_counter() - called_s))
            calls += 1
        return images

    images = sum(await asyncio.gather(*(caller(number) for number in range(load.callers))))
    rate = images / (time.perf_counter() - begun_s)
    measured.images_per_s.append(rate)
    measured.ratios.append(rate / limit)
    measured.server_cpu_ms.append(1000 * (server.cpu_s() - server_s) / images)
    measured.caller_cpu_ms.append(1000 * (time.process_time() - callers_s) / images)

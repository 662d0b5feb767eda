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

    clients: int
    images: int

    def __str__(self) -> str:
        return f"{self.clients} x {self.images:,}"


LOADS = (Load(1, 1), Load(8, 1), Load(32, 1), Load(1, 64))
STREAM = Load(1, 10_000)


@dataclass
class Measured:
    """Rounds of one load on one server."""

    images_per_s: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    server_cpu_ms: list[float] = field(default_factory=list)
    """CPU time of the server's processes, an image."""
    client_cpu_ms: list[float] = field(default_factory=list)
    """CPU time of this process, an image."""

    @property
    def rate(self) -> float:
        """Median of the rounds, images a second."""
        return median(self.images_per_s)

    def latency_ms(self, percentile: float) -> float:
        """Percentile over all calls of all rounds."""
        return float(np.percentile(self.latencies_ms, percentile))


async def put(load: Load, ask: Ask, server: Processes, duration_s: float, measured: Measured) -> None:
    """Adds one round of a load to `measured`; a call that was begun in time is counted in full."""
    begun_s = time.perf_counter()
    server_s, client_s = server.cpu_s(), time.process_time()

    async def caller(number: int) -> int:
        images = calls = 0
        while (called_s := time.perf_counter()) - begun_s < duration_s:
            images += await ask(1000 * number + calls, load.images)
            measured.latencies_ms.append(1000 * (time.perf_counter() - called_s))
            calls += 1
        return images

    images = sum(await asyncio.gather(*(caller(number) for number in range(load.clients))))
    measured.images_per_s.append(images / (time.perf_counter() - begun_s))
    measured.server_cpu_ms.append(1000 * (server.cpu_s() - server_s) / images)
    measured.client_cpu_ms.append(1000 * (time.process_time() - client_s) / images)

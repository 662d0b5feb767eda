"""Prints what both services still get done when far more is asked of them than they can do.

In rounds, each service gets as many calls a second as it can answer (1x, found by callers that wait for each
answer), then five times as many, sent by a clock whether answers come or not, each with a deadline. What
counts is the goodput, calls a second that are answered in time: that of 5x as a ratio to that of 1x in the
same round. Then one caller sends 10,000 requests at once, and another one after the other.

The service has the first half of the CPUs and the callers the other, else they would count what it costs to
send five times as many calls as what it costs to refuse them. All that counts are ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median

import grpc
import numpy as np
from ganpress.v1 import compressor_service_pb2 as compressor_pb
from ganpress.v1 import generator_service_pb2 as generator_pb
from ganpress.v1.codec_pb2 import CodecOptions, WebpOptions
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub
from ganpress.v1.generator_service_pb2_grpc import GeneratorServiceStub
from ganpress.v1.image_pb2 import IMAGE_FORMAT_RAW_U8
from PIL import Image

from benchmarks.ready import wait_until_serving
from benchmarks.serving.processes import Processes, free_port, running

Ask = Callable[[grpc.aio.Channel, float], Awaitable[object]]

_CPUS = os.sched_getaffinity(0)
_CONNECTIONS = 4  # of the callers: a service knows them by their connections


@dataclass
class Measured:
    """What came of some seconds of load."""

    seconds: float
    outcomes: Counter[str] = field(default_factory=Counter)
    took_s: list[float] = field(default_factory=list)

    @property
    def goodput(self) -> float:
        """Calls a second that were answered in time."""
        return self.outcomes["OK"] / self.seconds

    def quantile_ms(self, share: float) -> float:
        """Returns a quantile of how long answered calls took."""
        took = sorted(self.took_s)
        return 1e3 * took[int(share * (len(took) - 1))] if took else float("nan")


class Callers:
    """Callers of one service over a few connections."""

    def __init__(self, address: str, ask: Ask, deadline_s: float) -> None:
        self._channels = [channel_to(address) for _ in range(_CONNECTIONS)]
        self._ask = ask
        self._deadline_s = deadline_s

    async def close(self) -> None:
        """Closes the connections."""
        for channel in self._channels:
            await channel.close()

    async def waiting(self, seconds: float, callers: int = 8) -> Measured:
        """Puts on callers each of whom waits for its answer before it asks again."""
        measured = Measured(seconds)
        end_s = time.perf_counter() + seconds

        async def call(number: int) -> None:
            while time.perf_counter() < end_s:
                await self._one(number, measured)

        await asyncio.gather(*(call(number) for number in range(callers)))
        return measured

    async def clocked(self, seconds: float, rate: float) -> Measured:
        """Sends calls by a clock, `rate` a second at random moments."""
        measured = Measured(seconds)
        tasks: list[asyncio.Task[None]] = []
        at_s = time.perf_counter()
        end_s = at_s + seconds
        while at_s < end_s:
            at_s += random.expovariate(rate)
            if (wait_s := at_s - time.perf_counter()) > 0:
                await asyncio.sleep(wait_s)
            tasks.append(asyncio.create_task(self._one(len(tasks), measured)))
        await asyncio.gather(*tasks)
        return measured

    async def _one(self, number: int, measured: Measured) -> None:
        begun_s = time.perf_counter()
        try:
            await self._ask(self._channels[number % _CONNECTIONS], self._deadline_s)
        except grpc.aio.AioRpcError as error:
            measured.outcomes[error.code().name] += 1
        else:
            measured.outcomes["OK"] += 1
            measured.took_s.append(time.perf_counter() - begun_s)


async def generate(channel: grpc.aio.Channel, deadline_s: float | None, count: int = 16) -> object:
    """Asks for images of 64x64."""
    request = generator_pb.GenerateRequest(model="cars", count=count, seed=1, format=IMAGE_FORMAT_RAW_U8)
    return await GeneratorServiceStub(channel).Generate(request, timeout=deadline_s)


def _photograph() -> bytes:
    small = np.random.default_rng(1).integers(0, 256, (12, 12, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((256, 256), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


_PHOTOGRAPH = _photograph()


async def compress(channel: grpc.aio.Channel, deadline_s: float | None) -> object:
    """Asks for a WebP of an image of 256x256, with the quality measured."""
    request = compressor_pb.CompressRequest(
        image=_PHOTOGRAPH, options=CodecOptions(webp=WebpOptions(quality=80))
    )
    return await CompressorServiceStub(channel).Compress(request, timeout=deadline_s)


async def measure(name: str, ask: Ask, given: argparse.Namespace) -> None:
    """Measures one service and prints its rows."""
    port = free_port()
    command = [sys.executable, "-m", f"services.{name}", "--port", str(port), "--log-level", "error"]
    cpus = sorted(_CPUS)
    half = len(cpus) // 2 or 1
    os.sched_setaffinity(0, cpus[:half])  # which the service inherits
    async with running(command, env={"PYTHONPATH": ":".join(sys.path)}) as processes:
        os.sched_setaffinity(0, cpus[half:] or cpus)
        address = f"127.0.0.1:{port}"
        await wait_until_serving(address)
        callers = Callers(address, ask, given.deadline)
        await callers.waiting(given.seconds)
        rounds: list[tuple[Measured, Measured]] = []
        rss_mb = [processes.memory_mb("Rss")]
        for _ in range(given.rounds):
            capacity = (await callers.waiting(given.seconds)).goodput
            calm = await callers.clocked(given.seconds, capacity)
            pressed = await callers.clocked(given.seconds, 5 * capacity)
            rounds.append((calm, pressed))
            rss_mb.append(processes.memory_mb("Rss"))
        await callers.close()
        print_rounds(name, rounds, rss_mb)
        await fairness(name, address, ask, processes)


def print_rounds(name: str, rounds: list[tuple[Measured, Measured]], rss_mb: list[float]) -> None:
    """Prints the medians of the rounds."""
    ratios = [pressed.goodput / calm.goodput for calm, pressed in rounds if calm.goodput]
    for load, number in (("1x", 0), ("5x", 1)):
        parts = [both[number] for both in rounds]
        sent = sum(sum(part.outcomes.values()) for part in parts)
        shares = Counter[str]()
        for part in parts:
            shares += part.outcomes
        told = ", ".join(f"{code} {100 * count / sent:.0f} %" for code, count in shares.most_common())
        print(
            f"| {name} | {load} | {median(part.goodput for part in parts):.1f} | "
            f"{median(part.quantile_ms(0.5) for part in parts):.0f} / "
            f"{median(part.quantile_ms(0.99) for part in parts):.0f} | {told} |"
        )
    print(
        f"\n{name}: goodput at 5x over that at 1x: {median(ratios):.2f} "
        f"(rounds {', '.join(f'{ratio:.2f}' for ratio in ratios)}); RSS after each round, MB: "
        f"{', '.join(f'{megabytes:.0f}' for megabytes in rss_mb)}\n",
        flush=True,
    )


async def fairness(name: str, address: str, ask: Ask, processes: Processes) -> None:
    """Lets one caller send 10,000 requests at once, and another one after the other."""
    greedy, modest = channel_to(address), channel_to(address)
    alone = await _one_by_one(modest, ask, 10)
    outcomes: Counter[str] = Counter()

    async def one() -> None:
        with suppress(asyncio.CancelledError):
            try:
                await ask(greedy, None)  # type: ignore[arg-type]
                outcomes["OK"] += 1
            except grpc.aio.AioRpcError as error:
                outcomes[error.code().name] += 1

    tasks = [asyncio.create_task(one()) for _ in range(10_000)]
    await asyncio.sleep(0.5)
    beside = await _one_by_one(modest, ask, 10)
    still = sum(not task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(
        f"{name}: a caller with one request at a time, p50 {1e3 * median(alone):.0f} ms alone, "
        f"{1e3 * median(beside):.0f} ms (worst {1e3 * max(beside):.0f} ms) beside one with 10,000, of whom "
        f"{still} waited still; none of its own was refused. The other's: {dict(outcomes)}. "
        f"RSS {processes.memory_mb('Rss'):.0f} MB\n",
        flush=True,
    )
    await greedy.close()
    await modest.close()


async def _one_by_one(channel: grpc.aio.Channel, ask: Ask, count: int) -> list[float]:
    took: list[float] = []
    for _ in range(count):
        begun_s = time.perf_counter()
        await ask(channel, 60)
        took.append(time.perf_counter() - begun_s)
    return took


def channel_to(address: str) -> grpc.aio.Channel:
    """Returns a connection of its own."""
    return grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each load in a round")
    parser.add_argument("--deadline", type=float, default=2, help="seconds of each call")
    given = parser.parse_args()
    print("| service | load | goodput, calls/s | p50 / p99 ms | outcomes |\n| --- | --- | --- | --- | --- |")
    asyncio.run(measure("generator", generate, given))
    asyncio.run(measure("compressor", compress, given))


if __name__ == "__main__":
    main()

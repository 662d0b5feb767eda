"""Prints how fast the compressor service is, as ratios to its codecs without a service on the same cores.

Each round runs the codecs alone, in one process a core, and then the service on the same images: client,
gRPC, workers and codec share the cores. Photographs of 1 MP go through a stream, images of 64x64 in batches.
Ratios are given by the clock and by processor time; on a machine that does other things, too, only the latter
mean something. Numbers are medians of the rounds.

With `--scaling` each round runs on one core and on all, by turns, and a loop of arithmetic besides, whose
processes share nothing: what it gains is what the machine gives.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from ganpress.v1.codec_pb2 import CodecOptions
from ganpress.v1.compressor_service_pb2 import CompressRequest

from benchmarks.compressor.work import Speed, alone, arithmetic, photographs, pin, thumbnails
from benchmarks.serving.processes import Processes, free_port, running
from client.api import GanpressClient, compress_request
from client.errors import UnreachableError

BATCH_IMAGES = 256
BATCHES_UNDER_WAY = 2
LONG_STREAM = 100_000
Speeds = tuple[float, float, float]


async def streamed(client: GanpressClient, codec: CodecOptions, images: Sequence[bytes]) -> None:
    """Sends photographs through one stream."""

    async def requests() -> AsyncIterator[tuple[str, CompressRequest]]:
        for image in images:
            yield "", compress_request(image, codec, skip_metrics=True)

    async for outcome in client.compress_many(requests()):
        if isinstance(outcome.result, Exception):
            raise outcome.result


async def batched(client: GanpressClient, codec: CodecOptions, images: Sequence[bytes]) -> None:
    """Sends small images in batches, two at a time."""
    starts = iter(range(0, len(images), BATCH_IMAGES))

    async def send() -> None:
        for start in starts:
            batch = [("", image) for image in images[start : start + BATCH_IMAGES]]
            for outcome in await client.compress_batch(batch, codec, skip_metrics=True):
                if isinstance(outcome.result, Exception):
                    raise outcome.result

    await asyncio.gather(*(send() for _ in range(BATCHES_UNDER_WAY)))


async def served(
    client: GanpressClient, server: Processes, codec_id: str, images: Sequence[bytes], *, in_batches: bool
) -> Speed:
    """Measures the service."""
    codec = await client.codec_options(codec_id)
    send = batched if in_batches else streamed
    await send(client, codec, images[: 2 * BATCH_IMAGES if in_batches else 4])
    begun_s, begun_cpu_s = perf_counter(), process_time() + server.cpu_s()
    await send(client, codec, images)
    return Speed(len(images), perf_counter() - begun_s, process_time() + server.cpu_s() - begun_cpu_s)


def print_table(
    codec_ids: Sequence[str], rounds: Sequence[dict[str, tuple[Speed, Speed]]], name: str
) -> None:
    """Prints one kind of images."""
    print(f"\n| {name} | alone, images/s | served | ratio | alone, images/CPU s | served | ratio |")
    print("| --- " * 7 + "|")
    for codec_id in codec_ids:
        pairs = [one[codec_id] for one in rounds]
        cells: list[str] = []
        for measure in ("images_per_s", "images_per_cpu_s"):
            base, ours = ([getattr(pair[i], measure) for pair in pairs] for i in (0, 1))
            ratio = median(b / a for a, b in zip(base, ours, strict=True))
            cells += [f"{median(base):.1f}", f"{median(ours):.1f}", f"{ratio:.2f}"]
        print(f"| {codec_id} | {' | '.join(cells)} |", flush=True)


async def compare(options: argparse.Namespace, cores: Sequence[int]) -> None:
    """Prints both tables."""
    async with service(options, cores) as (server, client):
        for name, (images, in_batches) in kinds(options).items():
            rounds: list[dict[str, tuple[Speed, Speed]]] = []
            for _ in range(options.rounds):
                rounds.append({})
                for codec_id in options.codecs:
                    base = await asyncio.to_thread(alone, codec_id, images, len(cores))
                    ours = await served(client, server, codec_id, images, in_batches=in_batches)
                    rounds[-1][codec_id] = (base, ours)
            print_table(options.codecs, rounds, name)
        if options.memory:
            await watch_memory(client, server, thumbnails(options.data, BATCH_IMAGES), options.memory)


async def compare_scaling(options: argparse.Namespace, cores: Sequence[int]) -> None:
    """Prints how much faster all cores are than one."""
    print(f"\n| from 1 core to {len(cores)} | arithmetic | alone | served | served, images/s: 1 core | all |")
    print("| --- " * 6 + "|")
    async with service(options, cores[:1]) as on_one, service(options, cores) as on_all:
        sides = ((cores[:1], *on_one), (cores, *on_all))
        for name, (images, in_batches) in kinds(options).items():
            for codec_id in options.codecs:
                rounds: list[list[Speeds]] = []
                for _ in range(options.rounds):
                    rounds.append([])
                    for side, server, client in sides:
                        pin(side)
                        sums_per_s = await asyncio.to_thread(arithmetic, len(side))
                        base = await asyncio.to_thread(alone, codec_id, images, len(side))
                        ours = await served(client, server, codec_id, images, in_batches=in_batches)
                        rounds[-1].append((sums_per_s, base.images_per_s, ours.images_per_s))
                print_gains(f"{codec_id}, {name}", rounds)


def print_gains(name: str, rounds: Sequence[Sequence[Speeds]]) -> None:
    """Prints one line: what all cores gain, and the service's speeds."""
    cells = [f"{median(on_all[i] / on_one[i] for on_one, on_all in rounds):.2f}" for i in range(3)]
    cells += [f"{median(one[side][2] for one in rounds):.1f}" for side in (0, 1)]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def kinds(options: argparse.Namespace) -> dict[str, tuple[list[bytes], bool]]:
    """Returns the images of each kind, and whether they go in batches."""
    return {
        "1 MP, streamed": (photographs(options.data, options.photos), False),
        "64x64, in batches of 256": (thumbnails(options.data, options.thumbnails), True),
    }


@asynccontextmanager
async def service(
    options: argparse.Namespace, cores: Sequence[int]
) -> AsyncIterator[tuple[Processes, GanpressClient]]:
    """Runs a server on these cores."""
    port = free_port()
    command = (sys.executable, "-m", "services.compressor", "--port", str(port), *options.server)
    env = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    pin(cores)
    async with (
        running(command, env=env) as server,
        GanpressClient(compressor=f"127.0.0.1:{port}", timeout_s=600) as client,
    ):
        await wait_until_ready(client, server)
        yield server, client


async def wait_until_ready(client: GanpressClient, server: Processes) -> None:
    """Waits for the server, which compiles at first."""
    while server.is_alive:
        try:
            await client.list_codecs()
        except UnreachableError:
            await asyncio.sleep(0.5)
        else:
            return
    raise RuntimeError(server.last_words)


async def watch_memory(
    client: GanpressClient, server: Processes, images: Sequence[bytes], count: int
) -> None:
    """Prints the server's memory over many images."""
    codec, sizes = await client.codec_options("jpeg"), list[str]()
    for _ in range(5):
        many = (list(images) * (count // 5 // len(images) + 1))[: count // 5]
        await batched(client, codec, many)
        sizes.append(f"{server.memory_mb('Rss'):.0f}/{server.memory_mb():.0f}")
    print(f"\nRSS/PSS of all processes after each fifth of {count:,} images of 64x64, MB: {', '.join(sizes)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.compressor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/kodak.tar"), help="Kodak's images")
    parser.add_argument("--codecs", nargs="+", default=["jpeg", "webp", "dct"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=int, default=16)
    parser.add_argument("--thumbnails", type=int, default=4096)
    parser.add_argument("--cores", type=int, default=0, help="cores for both; 0 takes all")
    parser.add_argument("--scaling", action="store_true", help="compare one core with all")
    parser.add_argument("--memory", type=int, default=0, metavar="IMAGES", help=f"such as {LONG_STREAM}")
    parser.add_argument("server", nargs="*", help="options of the server, after --")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    cores = cores[: options.cores or len(cores)]
    asyncio.run((compare_scaling if options.scaling else compare)(options, cores))


if __name__ == "__main__":
    main()

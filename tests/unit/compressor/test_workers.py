"""Workers: what a job may do to them, and what then becomes of the others."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from ganpress.v1 import compressor_service_pb2 as pb
from ganpress.v1.codec_pb2 import AvifOptions, CodecOptions, JpegOptions
from ganpress.v1.compressor_service_pb2_grpc import CompressorServiceStub
from ganpress.v1.goal_pb2 import Goal
from PIL import Image

from services.compressor.codecs import (
    CodecError,
    CorruptDataError,
    MissingPackageError,
    TooManyPixelsError,
    decode,
    get_codec,
)
from services.compressor.errors import OverloadedImageError, WorkerDiedError
from services.compressor.goals import UnreachableGoalError
from services.compressor.metrics import CompressorMetrics
from services.compressor.service import build_service
from services.compressor.settings import CompressorSettings
from services.compressor.workers import Limits, ProcessWorkers, ThreadWorkers, Workers
from tests.helpers.images import image_file, png_file, smooth_image
from tests.helpers.servers import serving

JPEG = CodecOptions(jpeg=JpegOptions())
SLOW = pb.CompressRequest(
    image=png_file(400, 400), options=CodecOptions(avif=AvifOptions(speed=2)), goal=Goal(target_psnr_db=20)
)
SLOWER = pb.CompressRequest(
    image=png_file(800, 800), options=CodecOptions(avif=AvifOptions(speed=0)), goal=Goal(target_psnr_db=20)
)


def blank(width_px: int, height_px: int) -> bytes:
    """Returns a PNG of many pixels and few bytes."""
    buffer = io.BytesIO()
    Image.new("P", (width_px, height_px)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@pytest.fixture(params=[ThreadWorkers, ProcessWorkers], ids=["threads", "processes"])
async def workers(request: pytest.FixtureRequest) -> AsyncGenerator[Workers]:
    """Two workers of either kind."""
    async with started(request.param(2, Limits(2**24))) as pool:
        yield pool


class started:  # noqa: N801 - reads as a verb
    """Workers, for as long as a context lasts."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def __aenter__(self) -> Workers:
        await self._workers.start(prepare=False)
        return self._workers

    async def __aexit__(self, *_: object) -> None:
        self._workers.stop()


def request(image: bytes | None = None, **fields: Any) -> pb.CompressRequest:
    """Returns a request for a JPEG."""
    return pb.CompressRequest(image=png_file() if image is None else image, options=JPEG, **fields)


def processes(workers: ProcessWorkers) -> Sequence[int]:
    """Returns the ids of the processes."""
    return [worker._process.pid for worker in workers._workers]


async def test_same_bytes(workers: Workers) -> None:
    """Threads and processes give what the library gives."""
    answers = await asyncio.gather(*(workers.run("compress", request()) for _ in range(5)))
    for answer in answers:
        assert answer.data == get_codec("jpeg").encode(decode(png_file()))


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (request(b"x"), CorruptDataError),
        (request(blank(5000, 4000)), TooManyPixelsError),
        (request(goal=Goal(target_bytes=1)), UnreachableGoalError),
        (request(b"\0\0\0\x18ftypheic"), (MissingPackageError, CorruptDataError)),
        (request(image_file(smooth_image(9, 9, 4))), CodecError),
    ],
)
async def test_errors_cross(workers: Workers, asked: pb.CompressRequest, error: Any) -> None:
    """An error of the library is the same on this side, with its words."""
    with pytest.raises(error) as caught:
        await workers.run("compress", asked)
    assert str(caught.value)
    assert (await workers.run("compress", request())).data


async def test_cancelling_stops_the_work(workers: Workers) -> None:
    """A job that nobody waits for any more ends long before its time, and leaves its worker free."""
    calls = [asyncio.create_task(workers.run("compress", SLOW)) for _ in range(2)]
    await asyncio.sleep(1)
    for call in calls:
        call.cancel()
    done, _ = await asyncio.wait(calls, timeout=120)
    assert all(call.cancelled() for call in done)
    assert (await asyncio.wait_for(workers.run("compress", request()), 100)).data


async def test_cancelling_harms_nobody_else() -> None:
    """A caller that leaves in the moment in which its job ends does not end the next one's process."""
    async with started(ProcessWorkers(1, Limits(2**24))) as workers:
        assert isinstance(workers, ProcessWorkers)
        await workers.run("compress", request())
        for _ in range(10):
            leaving = asyncio.create_task(workers.work("compress", request(png_file(200, 200))))
            await asyncio.sleep(0)
            while workers.busy:  # noqa: ASYNC110 - one turn of the event loop after the other
                await asyncio.sleep(0)
            leaving.cancel()
            assert (await workers.work("compress", request(png_file(200, 200)))).data
        assert workers.deaths == 0


async def test_a_dead_process_costs_one_request() -> None:
    """When a process dies at work its request fails; the others go on, and it is replaced."""
    async with started(ProcessWorkers(2, Limits(2**24))) as workers:
        assert isinstance(workers, ProcessWorkers)
        await asyncio.gather(*(workers.run("compress", request()) for _ in range(4)))
        first, other = processes(workers)
        slow = [asyncio.create_task(workers.run("compress", SLOW)) for _ in range(2)]
        await asyncio.sleep(1)
        os.kill(first, signal.SIGSEGV)
        done, running = await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED, timeout=120)
        (dead,) = done
        with pytest.raises(WorkerDiedError, match="signal 11"):
            dead.result()
        assert len(running) == 1
        assert (await workers.run("compress", request())).data
        assert workers.deaths == 1
        assert other in processes(workers)
        for call in running:
            call.cancel()
        os.kill(processes(workers)[0], signal.SIGKILL)  # while it does nothing: nobody notices
        await asyncio.sleep(0.2)
        assert (await workers.run("compress", request())).data
        assert (await workers.run("compress", request())).data
        assert workers.deaths == 1


async def test_time_limit() -> None:
    """Work that takes longer than it may is stopped, and the next request finds a worker."""
    async with started(ProcessWorkers(1, Limits(2**24, max_seconds=5))) as workers:
        await workers.run("compress", request())
        with pytest.raises(OverloadedImageError, match="more than 5 s"):
            await workers.run("compress", SLOWER)
        assert (await workers.run("compress", request())).data


async def test_memory_limit() -> None:
    """An image that needs more memory than it may is refused, and the next one is not."""
    async with started(ProcessWorkers(1, Limits(2**28, memory_bytes=200 * 2**20))) as workers:
        with pytest.raises((OverloadedImageError, WorkerDiedError)):
            await workers.run("compress", request(blank(11_000, 11_000)))
        assert (await workers.run("compress", request())).data


async def test_metrics() -> None:
    """Images, bytes, ratios and times are counted by codec."""
    async with started(ThreadWorkers(1, Limits(2**24))) as workers:
        metrics = CompressorMetrics(workers)
        response = await workers.run("compress", request())
        metrics.compressed(response)
        metrics.failed("compress")
        values = {
            (sample.name, *sample.labels.values()): sample.value
            for metric in metrics.collect()
            for sample in metric.samples
        }
    assert values["ganpress_compressor_images_total", "compress", "jpeg", "ok"] == 1
    assert values["ganpress_compressor_images_total", "compress", "", "error"] == 1
    assert values["ganpress_compressor_input_bytes_total", "jpeg"] == len(png_file())
    assert values["ganpress_compressor_output_bytes_total", "jpeg"] == len(response.data)
    assert values["ganpress_compressor_ratio_sum", "jpeg"] == pytest.approx(
        len(png_file()) / len(response.data)
    )
    assert values["ganpress_compressor_encode_seconds_count", "jpeg"] == 1
    assert values["ganpress_compressor_workers_busy",] == 0


async def test_a_batch_survives_an_image_that_kills(tmp_path: Path) -> None:
    """An image that takes longer than it may fails alone; its batch and later calls do not."""
    settings = CompressorSettings(threads=1, warm_up=False, max_seconds=10)
    async with serving([build_service(settings)], tmp_path) as channel:
        stub: Any = CompressorServiceStub(channel)
        await stub.Compress(request(skip_metrics=True))
        images = [pb.BatchImage(key="a", image=png_file(16, 16)), pb.BatchImage(key="b", image=SLOWER.image)]
        batch = pb.CompressBatchRequest(
            images=images, options=SLOWER.options, goal=SLOWER.goal, skip_metrics=True
        )
        answers = (await stub.CompressBatch(batch)).answers
        assert answers[0].response.data
        assert answers[1].error.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        assert (await stub.Compress(request())).data

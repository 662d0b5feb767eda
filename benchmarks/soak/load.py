"""What ordinary callers do, each answer checked."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import AsyncIterator

import numpy as np
from ganpress.v1.compressor_service_pb2 import CompressRequest
from PIL import Image

from benchmarks.soak.tally import Tally, WrongAnswerError
from client.api import GanpressClient, compress_request
from client.errors import GanpressError

_CODECS = ("jpeg", "webp", "png", "kmeans", "dct")
_SEEDS = 200  # few, so that each is drawn often and has to be the same


class Load:
    """Callers of both services. They pause between calls: a soak is long, not hard."""

    def __init__(self, client: GanpressClient, tally: Tally, pause_s: float) -> None:
        """Takes a client whose token opens both services, and the mean pause of each caller."""
        self._client = client
        self._tally = tally
        self._pause_s = pause_s
        self._drawn: dict[int, bytes] = {}
        self._random = random.Random(1)
        self._images = [_image(self._random) for _ in range(24)]

    async def run(self) -> None:
        """Calls until cancelled."""
        works = [self._one, self._one, self._many, self._compress, self._compress, self._batch, self._back]
        await asyncio.gather(*(self._forever(work) for work in works))

    async def _forever(self, work) -> None:
        while True:
            await work()
            await asyncio.sleep(self._random.expovariate(1 / self._pause_s))

    async def _one(self) -> None:
        seed = self._random.randrange(_SEEDS)
        async with self._tally.call("generate 1"):
            images = [image async for image in self._client.generate(label="sedan", seed=seed)]
            self._check(seed, [image.data for image in images], 1)

    async def _many(self) -> None:
        seed = self._random.randrange(_SEEDS - 100)
        async with self._tally.call("generate 100"):
            images = [image async for image in self._client.generate(label="sedan", seed=seed, count=100)]
            self._check(seed, [image.data for image in images], 100)

    async def _compress(self) -> None:
        codec = self._random.choice(_CODECS)
        image = self._random.choice(self._images)
        async with self._tally.call("compress"):
            answer = await self._client.compress(image, codec)
            if not answer.data or answer.stats.input_bytes != len(image):
                raise WrongAnswerError(f"{codec} answered of another image")

    async def _batch(self) -> None:
        images = self._random.sample(self._images, 12)
        async with self._tally.call("compress 12, stream"):
            options = await self._client.codec_options("jpeg")

            async def requests() -> AsyncIterator[tuple[str, CompressRequest]]:
                for number, image in enumerate(images):
                    yield str(number), compress_request(image, options)

            keys: list[str] = []
            async for outcome in self._client.compress_many(requests()):
                keys.append(outcome.key)
                if isinstance(outcome.result, GanpressError):
                    raise outcome.result
            if keys != [str(number) for number in range(12)]:
                raise WrongAnswerError(f"12 images gave the answers {keys}")

    async def _back(self) -> None:
        image = self._random.choice(self._images)
        async with self._tally.call("compress and back"):
            answer = await self._client.compress(image, "png", skip_metrics=True)
            back = await self._client.decompress(answer.data)
            if (pixels := _pixels(back.image)).tobytes() != _pixels(image).tobytes():
                raise WrongAnswerError(f"PNG came back with other pixels, {pixels.shape}")

    def _check(self, seed: int, images: list[bytes], count: int) -> None:
        if len(images) != count:
            raise WrongAnswerError(f"{len(images)} images in place of {count}")
        for number, image in enumerate(images, seed):
            if self._drawn.setdefault(number, image) != image:
                raise WrongAnswerError(f"seed {number} gave another image than before")


def _image(source: random.Random) -> bytes:
    """Returns a PNG of up to 256 px a side, smooth with noise."""
    numbers = np.random.default_rng(source.randrange(2**32))
    small = numbers.integers(0, 256, (8, 8, 3), np.uint8)
    size = source.randrange(24, 256), source.randrange(24, 256)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

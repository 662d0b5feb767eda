"""The generator as a library: models, noise, engine and batcher behind one class, without gRPC."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.generator import noise
from services.generator.batcher import Batcher
from services.generator.catalogue import Catalogue
from services.generator.engine import CUDA, Device, OnnxEngine, choose_provider
from services.generator.errors import CorruptModelError, NoModelsError, RequestError
from services.generator.images import Provenance
from services.generator.models import PACKAGED_MODELS, Model, find_models

logger = logging.getLogger(__name__)

_DRAWN_SEED_BITS = 53  # a seed that every language's JSON reads back exactly


@dataclass(frozen=True)
class SampleRequest:
    """What images are asked for."""

    model: str = ""
    """Model name; empty means the one model that has the label, or the default model without a label."""
    version: int = 0
    """Model version; 0 means the newest."""
    label: str = ""
    """Label; empty means one drawn from each image's seed, if the model has labels."""
    count: int = 1
    """How many images."""
    seed: int | None = None
    """Seed of the first image, image i has seed + i; None draws one."""
    truncation: float = 1.0
    """Factor on the latent vector, above 0 and at most 1."""


@dataclass(frozen=True)
class Sample:
    """One image."""

    pixels: NDArray[np.uint8]
    """uint8 [H, W, C]."""
    provenance: Provenance
    """What names it."""


@dataclass(frozen=True)
class _Draw:
    """What one image needs; a label index of None is drawn from the seed."""

    seed: int
    label_index: int | None
    truncation: float


_Drawn = tuple[int, NDArray[np.uint8]]
"""Label index and pixels."""


@dataclass(frozen=True)
class _Loaded:
    """A model ready to draw."""

    engine: OnnxEngine
    batcher: Batcher[_Draw, _Drawn]


class Sampler:
    """Draws images from the models of a repository; start it first, stop it in the end.

    An image depends on its model's digest, its label, its seed and its truncation alone, whatever else is
    drawn at the same time.
    """

    catalogue: Catalogue
    """The models; set by `start`."""

    def __init__(
        self,
        root: Path = PACKAGED_MODELS,
        *,
        default_model: str = "cars",
        device: Device = "cpu",
        threads: int = 1,
        max_batch_size: int = 32,
        queue_size: int = 4096,
        max_count: int = 10_000,
    ) -> None:
        """Sets up a sampler without loading anything.

        Args:
            root: Model repository.
            default_model: Model of a request without model and label.
            device: Where to compute.
            threads: Threads that compute on the CPU.
            max_batch_size: Most images in one run of a model.
            queue_size: Most images of one model under way at the same time.
            max_count: Most images in one request.
        """
        self._root = root
        self._default_model = default_model
        self._device: Device = device
        self._executor = ThreadPoolExecutor(threads, "sampler")
        self._threads = threads
        self._max_batch_size = max_batch_size
        self._queue_size = queue_size
        self.max_count = max_count
        self._loaded: dict[tuple[str, int], _Loaded] = {}

    async def start(self) -> None:
        """Loads the models and lets each draw an image. A model that is not sound is logged and left out.

        Raises:
            NoModelsError: None is left.
        """
        loop = asyncio.get_running_loop()
        provider = choose_provider(self._device)
        sound: list[Model] = []
        for model in await loop.run_in_executor(self._executor, find_models, self._root):
            try:
                engine = await loop.run_in_executor(self._executor, partial(_load, model, provider))
            except CorruptModelError as error:
                logger.error("model left out: %s", error)
                continue
            sound.append(model)
            batcher = Batcher(
                partial(_draw, engine, model.card.z_dim, len(model.labels)),
                self._executor,
                # A GPU is kept busy by one full batch; the CPU by one batch a thread.
                workers=1 if engine.provider == CUDA else self._threads,
                max_batch_size=self._max_batch_size,
                capacity=self._queue_size,
            )
            self._loaded[model.name, model.version] = _Loaded(engine, batcher)
            logger.info("model %s version %d ready on %s", model.name, model.version, engine.provider)
        if not sound:
            raise NoModelsError(
                f"there is no sound model in {self._root}, no <name>/<version> with model.onnx and card.json"
            )
        self.catalogue = Catalogue(sound, self._default_model)

    async def stop(self) -> None:
        """Fails what waits, lets what runs end, frees the threads."""
        for loaded in self._loaded.values():
            await loaded.batcher.close()
        self._executor.shutdown()

    @property
    def provider(self) -> str:
        """Execution provider of the default model; only after `start`."""
        model = self.catalogue.find(self.catalogue.default_model)
        return self._loaded[model.name, model.version].engine.provider

    @property
    def images_under_way(self) -> int:
        """Images that wait, run or were not yet taken; of a large request only those in the batcher."""
        return sum(loaded.batcher.held for loaded in self._loaded.values())

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Sample]:
        """Yields the images of a request in the order of their seeds, drawn only as fast as they are taken.

        Raises:
            RequestError: The label, count, seed or truncation is not acceptable.
            UnknownModelError: There is no such model or version.
            QueueFullError: Too much is under way.
            BatcherClosedError: The sampler was stopped.
        """
        model = self.catalogue.choose(request.model, request.version, request.label)
        seeds = self._seeds(request)
        truncation = request.truncation
        if not 0 < truncation <= 1:
            raise RequestError(f"truncation has to be above 0 and at most 1, not {truncation}")
        labels = model.labels or ("",)
        label_index = labels.index(request.label) if request.label or not model.labels else None
        draws = (_Draw(seed, label_index, truncation) for seed in seeds)
        async with aclosing(self._loaded[model.name, model.version].batcher.map(draws)) as results:
            seed = seeds.start
            async for drawn_index, pixels in results:
                provenance = Provenance(
                    model.name, model.version, model.digest, labels[drawn_index], seed, truncation
                )
                yield Sample(pixels, provenance)
                seed += 1

    def _seeds(self, request: SampleRequest) -> range:
        if not 1 <= request.count <= self.max_count:
            raise RequestError(f"count has to be 1 to {self.max_count}, not {request.count}")
        first = secrets.randbits(_DRAWN_SEED_BITS) if request.seed is None else request.seed
        seeds = range(first, first + request.count)
        if first < 0 or seeds[-1] > noise.MAX_SEED:
            raise RequestError(
                f"seeds go from 0 to {noise.MAX_SEED}: {request.count} from {first} on are not among them"
            )
        return seeds


def _load(model: Model, provider: str) -> OnnxEngine:
    card = model.card
    return OnnxEngine(
        model.onnx_path,
        z_dim=card.z_dim,
        labels=len(card.labels),
        image_size_px=card.image_size_px,
        channels=card.channels,
        provider=provider,
    )


def _draw(engine: OnnxEngine, z_dim: int, n_labels: int, draws: Sequence[_Draw]) -> list[_Drawn]:
    z = noise.truncated(noise.latents([d.seed for d in draws], z_dim), [d.truncation for d in draws])
    indices = [
        noise.drawn_label_index(d.seed, n_labels) if d.label_index is None else d.label_index for d in draws
    ]
    return list(zip(indices, engine.run(z, np.array(indices, np.int64)), strict=True))

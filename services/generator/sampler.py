"""The generator as a library: models, noise, engine and scheduler behind one class, without gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.generator.catalogue import Catalogue
from services.generator.engine import Engine, Labels
from services.generator.errors import RequestError
from services.generator.models import PACKAGED_MODELS, Model
from services.generator.providers import Device
from services.generator.repository import Registry, RegistryOptions, open_folder
from services.generator.requests import Plan, SampleRequest, Samples, plan, plan_given
from services.generator.runtimes import RuntimeName, Runtimes
from services.generator.scheduling import LaneOptions, Observer, Scheduler
from services.generator.served import Drawn, ServedModel, Ticket, Wanted

_ORDINARY = Ticket()
_ONCE = RegistryOptions(default_model="cars")


class Sampler:
    """Draws images from the models of a repository; start it first, stop it in the end.

    An image depends on its model's digest, its label, its seed and its truncation alone, whatever else is
    drawn at the same time.
    """

    registry: Registry[ServedModel]
    """The versions in memory; they may come and go while images are drawn."""

    def __init__(
        self,
        models: str | Path = PACKAGED_MODELS,
        *,
        cache: Path | None = None,
        following: RegistryOptions = _ONCE,
        runtime: RuntimeName = "auto",
        device: Device = "cpu",
        device_required: bool = False,
        threads: int = 1,
        max_batch_size: int = 32,
        max_queue_delay_ms: float = 0.0,
        queue_size: int = 4096,
        max_count: int = 100_000,
        observer: Observer | None = None,
    ) -> None:
        """Sets up a sampler without loading anything.

        Args:
            models: Path or fsspec URL of the model repository.
            cache: Folder for the files of a URL; None takes the user's cache folder.
            following: Which versions are served, and how the repository is followed.
            runtime: What computes.
            device: Where to compute.
            device_required: Nothing else computes where the device cannot be used.
            threads: Threads that compute on the CPU.
            max_batch_size: Most images in one run of a model.
            max_queue_delay_ms: Longest that a request under load is held back for a fuller batch.
            queue_size: Most images of one model under way at the same time.
            max_count: Most images in one request.
            observer: Hears of every batch and request; their lanes are called `model/version`.
        """
        self.registry = Registry(open_folder(models, cache), self._open, following)
        self._runtimes = Runtimes(runtime, device, device_required, threads, max_batch_size, cache)
        self._lane_options = LaneOptions(
            max_batch_size=max_batch_size,
            max_running=threads,
            capacity=queue_size,
            max_queue_delay_s=max_queue_delay_ms / 1000,
        )
        self._observer = observer
        self.max_count = max_count
        self._scheduler = Scheduler(threads)

    async def start(self) -> None:
        """Loads the models, each of which draws its first images.

        Raises:
            RepositoryError: The model repository cannot be read.
            NoModelsError: None of its models is sound.
            MissingRuntimeError: The runtime is not installed.
            DeviceError: The device is required and cannot be used.
        """
        self._runtimes.prepare()
        await self.registry.start()

    async def stop(self) -> None:
        """Fails what waits, lets what runs end, frees the threads."""
        await self.registry.stop()
        self._scheduler.close()

    @property
    def catalogue(self) -> Catalogue:
        """The models that are served now."""
        return self.registry.catalogue

    @property
    def engine(self) -> Engine | None:
        """What computes the default model; None while there is none."""
        return self.served(self.catalogue.default_model).engine if self.catalogue.models else None

    @property
    def images_under_way(self) -> int:
        """Images that wait, run or were not yet taken; of a large request only those that are near."""
        return sum(served.held for served in self.registry.runners)

    def served(self, name: str, version: int = 0) -> ServedModel:
        """Returns a model in memory, the newest version for 0; it may be gone at the next `await`.

        Raises:
            UnknownModelError: There is no such model or version.
        """
        return self.registry.find(name, version).runner

    async def draw(
        self,
        request: SampleRequest,
        ticket: Ticket = _ORDINARY,
        *,
        most: Callable[[int], int] | None = None,
    ) -> Samples:
        """Returns all images of a request at once.

        Args:
            request: What to draw.
            ticket: How the request stands in the queue.
            most: From the bytes of an image's samples to the number of images that may be asked for.

        Raises:
            As `sample`.
        """
        with self._chosen(request) as (served, chosen):
            card = served.model.card
            image_bytes = card.image_size_px**2 * card.channels
            if most and request.size > most(image_bytes):
                raise RequestError(
                    f"{request.size} images of {image_bytes} bytes are too many for one answer, which holds "
                    f"{most(image_bytes)}: ask for them as a stream"
                )
            with served.draw(Wanted(chosen.draws), request.size, ticket, whole=True) as job:
                return chosen.samples(0, _whole([drawn async for drawn in job]))

    async def sample(self, request: SampleRequest, ticket: Ticket = _ORDINARY) -> AsyncGenerator[Samples]:
        """Yields the images of a request in their order, at most a batch at a time.

        They are drawn only as fast as they are taken, so a request of any size needs little memory.

        Raises:
            RequestError: The label, count, seed or truncation is not acceptable.
            UnknownModelError: There is no such model or version.
            SchedulingError: Too much is under way, it waited too long, or the sampler was stopped.
        """
        first = 0
        with (
            self._chosen(request) as (served, chosen),
            served.draw(Wanted(chosen.draws), request.size, ticket, whole=False) as job,
        ):
            async for drawn in job:
                yield chosen.samples(first, drawn)
                first += len(drawn.images)

    async def infer(
        self,
        name: str,
        version: int,
        z: NDArray[np.float32],
        labels: Labels | None = None,
        *,
        as_pixels: bool = False,
        ticket: Ticket = _ORDINARY,
    ) -> NDArray[Any]:
        """Returns the images of given latent vectors, in their order.

        Args:
            name: Model name.
            version: Model version; 0 means the newest.
            z: float32 [N, z_dim], finite, N at least 1.
            labels: Label indices, int64 [N]; of a model that mixes labels also weights, float32 [N, labels];
                None for a model without labels.
            as_pixels: Samples, uint8 [N, H, W, C], in place of what the graph gives, float32 [N, C, H, W],
                nominally -1..1.
            ticket: How the request stands in the queue.

        Raises:
            RequestError: An array is not what it has to be.
            UnknownModelError: There is no such model or version.
            SchedulingError: Too much is under way, it waited too long, or the sampler was stopped.
        """
        if not 1 <= len(z) <= self.max_count:
            raise RequestError(f"the number of latent vectors has to be 1 to {self.max_count}, not {len(z)}")
        with self.registry.find(name, version) as lease:
            served = lease.runner
            draws = plan_given(served.model, z, labels, mixes_labels=served.engine.mixes_labels)
            with served.draw(Wanted(draws, as_pixels), len(z), ticket, whole=True) as job:
                return _whole([drawn async for drawn in job]).images

    @contextmanager
    def _chosen(self, request: SampleRequest) -> Generator[tuple[ServedModel, Plan]]:
        """Chooses a request's model, which stays in memory until the `with` ends, and what it is to draw."""
        with self.registry.lease(request.model, request.version, request.any_label) as lease:
            served = lease.runner
            mixes_labels = served.engine.mixes_labels
            yield served, plan(request, served.model, mixes_labels=mixes_labels, max_count=self.max_count)

    async def _open(self, model: Model) -> ServedModel:
        served = await asyncio.to_thread(lambda: ServedModel(model, self._runtimes.open(model)))
        served.open(self._scheduler, self._lane_options, self._observer)
        return served


def _whole(parts: Sequence[Drawn]) -> Drawn:
    if len(parts) == 1:
        return parts[0]
    images, labels = [part.images for part in parts], [part.labels for part in parts]
    return Drawn(np.concatenate(images), np.concatenate(labels))

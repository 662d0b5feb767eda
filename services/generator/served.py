"""A model that draws: its graph, and its lane in the scheduler."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.generator import noise
from services.generator.draws import Draws, Rows, SeededDraws
from services.generator.engine import Engine, Labels, to_pixels
from services.generator.errors import OutOfMemoryError
from services.generator.models import Model
from services.generator.scheduling import ClosedError, Job, Lane, LaneOptions, Observer, Piece, Scheduler

PROBE_SEEDS = range(8)
"""Seeds of the images of the probe digest."""


@dataclass(frozen=True)
class Wanted:
    """What one request wants of a model."""

    draws: Draws
    """The images."""
    as_pixels: bool = True
    """Samples, uint8 [N, H, W, C]; or what the graph gives, float32 [N, C, H, W]."""


@dataclass(frozen=True)
class Ticket:
    """How a request stands in the queue."""

    caller: Hashable = None
    """Who asks; callers of one priority get equal parts."""
    priority: int = 2
    """Lower ones are served first, always."""
    timeout_s: float | None = None
    """Longest wait for the first image to be begun."""
    remaining_s: float | None = None
    """Time until the caller stops waiting; a request that cannot be done by then is refused."""
    charge: Callable[[int, int], None] | None = None
    """Is told the images, and their pixels in all, of a request that is drawn as a whole; may refuse it."""


@dataclass(frozen=True)
class Drawn:
    """Some images of a request, in their order."""

    images: NDArray[Any]
    """As wanted, uint8 or float32."""
    labels: Labels
    """Label indices, int64 [N], or weights, float32 [N, labels]; of an unconditional model 0s."""


class ServedModel:
    """One model version in memory. It draws between `open` and `close`."""

    def __init__(self, model: Model, engine: Engine) -> None:
        """Takes a model and what computes it, and draws the images of the probe digest."""
        self.model = model
        self.engine = engine
        self.probe_digest: str = self._probe()
        """SHA-256 of the samples of `PROBE_SEEDS`' images, each of the label that its seed draws: servers
        that tell the same one draw the same images."""
        self._lane: Lane[Wanted, Drawn] | None = None
        self._scheduler: Scheduler | None = None

    def open(self, scheduler: Scheduler, options: LaneOptions, observer: Observer | None = None) -> None:
        """Lets the model draw, in the running event loop; the observer hears of it as `name/version`."""
        if not self.engine.on_cpu:
            options = replace(options, max_running=1)  # one full batch keeps a GPU busy
        name = f"{self.model.name}/{self.model.version}"
        self._scheduler, self._lane = scheduler, scheduler.open(name, self._draw, options, observer)

    async def close(self) -> None:
        """Fails the requests that wait, lets what runs end."""
        if self._lane and self._scheduler:
            await self._scheduler.shut(self._lane)

    @property
    def held(self) -> int:
        """Images that wait, run or were not yet taken; of a large request only those that are near."""
        return self._lane.held if self._lane else 0

    @property
    def pending(self) -> int:
        """Requests of which nothing is being computed yet."""
        return self._lane.pending if self._lane else 0

    def draw(self, wanted: Wanted, count: int, ticket: Ticket, *, whole: bool) -> Job[Wanted, Drawn]:
        """Queues a request for images."""
        if not self._lane:
            raise ClosedError(f"model {self.model.name!r} is not served")
        if whole and ticket.charge:
            ticket.charge(count, count * self.model.card.image_size_px**2)
        return self._lane.submit(
            wanted,
            count,
            caller=ticket.caller,
            priority=ticket.priority,
            timeout_s=ticket.timeout_s,
            remaining_s=ticket.remaining_s,
            whole=whole,
        )

    def _draw(self, pieces: Sequence[Piece[Wanted]], alone: bool) -> list[Drawn]:
        """The function of the lane."""
        rows = [piece.work.draws.rows(piece.start, piece.stop) for piece in pieces]
        seeds = [seed for some in rows for seed in some.seeds]
        of_seeds = noise.latents(seeds, self.model.card.z_dim)
        z: list[NDArray[np.float32]] = []
        first = 0
        for some in rows:
            z.append(some.latents(of_seeds[first : first + len(some.seeds)]))
            first += len(some.seeds)
        labels = [self.engine.label_input(some.labels) for some in rows]
        try:
            images = self.engine.run(_joined(z), _joined(labels), has_machine=alone)
            return _parted(images, pieces, rows)
        except MemoryError as error:
            count = sum(piece.stop - piece.start for piece in pieces)
            raise OutOfMemoryError(f"there is no memory for {count} images: try again later") from error

    def _probe(self) -> str:
        draws = SeededDraws(PROBE_SEEDS, None, max(len(self.model.labels), 1), 1.0)
        (drawn,) = self._draw([Piece(Wanted(draws), 0, len(PROBE_SEEDS))], False)
        return hashlib.sha256(drawn.images.tobytes()).hexdigest()


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _parted(
    images: NDArray[np.float32], pieces: Sequence[Piece[Wanted]], rows: Sequence[Rows]
) -> list[Drawn]:
    """Gives each piece its images as it wants them; `images` is used up."""
    ends = list(accumulate(piece.stop - piece.start for piece in pieces))
    places = [slice(start, end) for start, end in pairwise([0, *ends])]
    parts: list[NDArray[Any]] = [images[place] for place in places]
    if any(piece.work.as_pixels for piece in pieces):
        parts = (
            [part.copy() for part in parts] if not all(piece.work.as_pixels for piece in pieces) else parts
        )
        pixels = to_pixels(images)
        parts = [
            pixels[place] if piece.work.as_pixels else part
            for piece, place, part in zip(pieces, places, parts, strict=True)
        ]
    return [Drawn(part, some.labels) for part, some in zip(parts, rows, strict=True)]

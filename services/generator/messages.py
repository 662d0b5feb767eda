"""From protobuf messages to requests, and from images to messages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ganpress.v1 import generator_service_pb2 as pb
from ganpress.v1.image_pb2 import (
    IMAGE_FORMAT_JPEG,
    IMAGE_FORMAT_PNG,
    IMAGE_FORMAT_RAW_U8,
    IMAGE_FORMAT_UNSPECIFIED,
    IMAGE_FORMAT_WEBP,
    ImageFormat,
    ImageSize,
)
from numpy.typing import NDArray

from services.common import deadlines
from services.common.access import charge, current_caller
from services.generator.errors import RequestError
from services.generator.images import DEFAULT_QUALITY, FileFormat, Provenance, encode_image
from services.generator.requests import SampleRequest, Samples, Walk
from services.generator.served import Ticket

MESSAGE_BYTES = 1_000_000
"""Above it, copies cost more than messages do."""

_OVERHEAD_BYTES = 1024  # of an image's fields and text chunks, with room for PNG's own
_ENCODED_TOGETHER = 8  # images: fewer are not worth a thread
_FILE_FORMATS: dict[ImageFormat.ValueType, FileFormat] = {
    IMAGE_FORMAT_UNSPECIFIED: "png",
    IMAGE_FORMAT_PNG: "png",
    IMAGE_FORMAT_JPEG: "jpeg",
    IMAGE_FORMAT_WEBP: "webp",
}


def sample_request(request: pb.GenerateRequest) -> SampleRequest:
    """Returns what a message asks for.

    Raises:
        RequestError: The count is not that of the seeds.
    """
    if request.seeds and request.count not in {0, len(request.seeds)}:
        raise RequestError(f"count is {request.count}, but {len(request.seeds)} seeds are given")
    walk = request.walk
    return SampleRequest(
        model=request.model,
        version=request.model_version,
        label=request.label,
        label_mix=dict(request.label_mix),
        count=request.count,
        seed=request.seed if request.HasField("seed") else None,
        seeds=list(request.seeds),
        walk=Walk(walk.to_seed, walk.start, walk.stop if walk.HasField("stop") else 1.0)
        if request.HasField("walk")
        else None,
        truncation=request.truncation if request.HasField("truncation") else 1.0,
    )


def ticket(request: pb.GenerateRequest, context: Any) -> Ticket:
    """Returns how a call stands in the queue: who is known by name is a caller, else a connection is.

    Raises:
        RequestError: The priority is not known.
    """
    if request.priority not in pb.Priority.values():
        raise RequestError(f"priority {request.priority} is not known: {', '.join(pb.Priority.keys())} are")
    priority = request.priority or pb.PRIORITY_NORMAL
    return Ticket(caller_of(context), priority, remaining_s=deadlines.left_s(), charge=charge)


def caller_of(context: Any) -> str:
    """Returns who shares the turns of a call in the queue."""
    caller = current_caller.get()
    return caller.name if caller else context.peer()


@dataclass(frozen=True)
class Form:
    """How a request wants its images written."""

    format: ImageFormat.ValueType
    """Format of the data, never unspecified."""
    file_format: FileFormat | None
    """Kind of the image files; None: bare samples."""
    quality: int
    """Quality of JPEG and WebP."""

    @classmethod
    def of(cls, request: pb.GenerateRequest) -> Form:
        """Returns the form of a request.

        Raises:
            RequestError: Format or quality is not known.
        """
        quality = request.quality if request.HasField("quality") else DEFAULT_QUALITY
        if not 1 <= quality <= 100:
            raise RequestError(f"quality has to be 1 to 100, not {quality}")
        if request.format == IMAGE_FORMAT_RAW_U8:
            return cls(IMAGE_FORMAT_RAW_U8, None, quality)
        if request.format not in _FILE_FORMATS:
            known = ", ".join(ImageFormat.Name(number) for number in ImageFormat.values() if number)
            raise RequestError(f"format {request.format} is not known: {known} are")
        return cls(request.format or IMAGE_FORMAT_PNG, _FILE_FORMATS[request.format], quality)

    async def images(self, samples: Samples) -> list[pb.GeneratedImage]:
        """Returns the messages of images; files are encoded beside the event loop, several at a time."""
        if not self.file_format:
            return self._messages(samples.pixels, samples.provenances)
        starts = range(0, len(samples.pixels), _ENCODED_TOGETHER)
        parts = (slice(start, start + _ENCODED_TOGETHER) for start in starts)
        encoded = await asyncio.gather(
            *(
                asyncio.to_thread(self._messages, samples.pixels[part], samples.provenances[part])
                for part in parts
            )
        )
        return [image for images in encoded for image in images]

    def _messages(
        self, pixels: NDArray[np.uint8], provenances: Sequence[Provenance]
    ) -> list[pb.GeneratedImage]:
        _, height_px, width_px, channels = pixels.shape
        size = ImageSize(width_px=width_px, height_px=height_px, channels=channels)
        return [
            pb.GeneratedImage(
                data=encode_image(image, provenance, self.file_format, self.quality)
                if self.file_format
                else image.tobytes(),
                format=self.format,
                size=size,
                seed=provenance.seed,
                label=provenance.label,
                truncation=provenance.truncation,
                model=provenance.model,
                model_version=provenance.version,
                model_digest=provenance.digest,
                label_mix=provenance.label_mix,
                to_seed=provenance.to_seed,
                position=provenance.position,
            )
            for image, provenance in zip(pixels, provenances, strict=True)
        ]


def for_messages(samples: Samples) -> Iterator[Samples]:
    """Cuts images into parts for messages of at most about `MESSAGE_BYTES`, each of at least one image."""
    size = images_per_message(samples.pixels[0].nbytes)
    for start in range(0, len(samples.pixels), size):
        yield Samples(samples.pixels[start : start + size], samples.provenances[start : start + size])


def images_per_message(image_bytes: int) -> int:
    """Returns how many images of so many samples go into a message."""
    return max(1, int(MESSAGE_BYTES / (image_bytes * 1.02 + _OVERHEAD_BYTES)))

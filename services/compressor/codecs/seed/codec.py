"""An image that a known generator made, stored as what names it."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.compressor.codecs import container
from services.compressor.codecs.base import DEFAULT_MAX_PIXELS, Pixels
from services.compressor.codecs.container import Container
from services.compressor.codecs.errors import (
    CodecError,
    CorruptDataError,
    InvalidOptionError,
    UnsupportedImageError,
)
from services.compressor.codecs.registry import codec_class, get_codec
from services.compressor.codecs.seed import guard
from services.compressor.codecs.seed.guard import GuardSample
from services.compressor.codecs.seed.layout import Origin, SeedPayload

_PAYLOAD_AIM_BYTES = 71
"""To which the payload without a difference is kept if possible; with the container's header it makes 80."""

# Grey levels. Other CPUs and versions of ONNX Runtime differ by up to 1.4e-4 before rounding.
_GUARDED = 2e-4
"""Samples this near to a change of rounding are always stored."""
_GUARDED_IF_SHORT = 1e-3
"""Samples this near are stored while the file stays short."""
_LEAST_SAMPLES = 8
"""Stored in any case: by them a deviation is measured."""


class Sampler(Protocol):
    """Regenerates an image."""

    def __call__(self, origin: Origin, /) -> npt.NDArray[np.float32]:
        """Returns the samples before rounding, float32 [height, width, channels], nominally 0..255.

        The digest may be the first half of a SHA-256 only. Raises a CodecError when there is no such model.
        """
        ...


class RegenerationError(CodecError):
    """The generator here gives another image than the one that was stored."""


class SeedCodec:
    """Stores generated images as model digest, label, seed and truncation, and regenerates them exactly.

    A generator on another machine may round a few samples otherwise: those that come near to it are stored
    too, and a checksum tells whether the image is the very same. An image that was edited after it was
    generated is stored with its difference, coded by the DCT codec, if that is smaller than the image
    coded by it.
    """

    id = "seed"
    file_extension = ".gpc"

    def __init__(self, sampler: Sampler, *, quality: int | None = None, tolerate: int = 0) -> None:
        """Takes what regenerates images.

        Args:
            sampler: The generator.
            quality: Quality of the DCT codec for what was edited; None takes its default.
            tolerate: Grey levels by which a regenerated image may differ, as far as the stored samples tell;
                0 wants the very same image.
        """
        if not 0 <= tolerate <= 255:
            raise InvalidOptionError(f"seed option tolerate takes 0..255, not {tolerate}")
        self._sampler = sampler
        self._dct = get_codec("dct", **({} if quality is None else {"quality": quality}))
        self._tolerate = tolerate

    def encode(self, image: Pixels, origin: Origin) -> bytes:
        """Returns the file of an image; what it decodes to here was checked.

        Args:
            image: uint8 [height, width, 1 or 3], as generated, or edited since.
            origin: What names the image as it was generated.

        Raises:
            UnsupportedImageError: The image's size is not the generator's.
        """
        values = self._values(origin, image.shape)
        generated = guard.rounded(values)
        if np.array_equal(_guarded_like(image, values), image):
            payload = SeedPayload(origin, zlib.crc32(image.tobytes()), (), b"")
            data = _with_guard(payload, image, values)
            if not np.array_equal(self._regenerated(_unpack(data, DEFAULT_MAX_PIXELS), image.shape), image):
                raise RegenerationError("the generator does not draw the same image twice")
            return data
        return self._edited(image, origin, generated, values)

    def decode(self, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
        """Regenerates the image in a file.

        Raises:
            CorruptDataError: It is no seed file, or it was truncated or altered.
            TooManyPixelsError: It announces more than `max_pixels` pixels.
            RegenerationError: The generator gives another image.
        """
        file = _unpack(data, max_pixels)
        shape = (file.height_px, file.width_px, file.channels)
        generated = self._regenerated(file, shape)
        payload = SeedPayload.unpack(file.payload)
        if not payload.difference:
            return generated
        difference = codec_class("dct").decode(payload.difference, max_pixels=max_pixels)
        if difference.shape != shape:
            raise CorruptDataError(
                f"the seed file's difference has {difference.shape[1]} x {difference.shape[0]} pixels, "
                f"its image {shape[1]} x {shape[0]}"
            )
        return _edited_by(generated, difference, payload.is_halved)

    def _edited(
        self, image: Pixels, origin: Origin, generated: Pixels, values: npt.NDArray[np.float32]
    ) -> bytes:
        """Returns the smaller one: the seed with the difference, or the image by the DCT codec."""
        change = image.astype(np.int16) - generated
        is_halved = bool(np.abs(change).max() > 127)
        coded = change // 2 if is_halved else change
        difference = self._dct.encode((coded + 128).astype(np.uint8))
        payload = SeedPayload(origin, zlib.crc32(generated.tobytes()), (), difference, is_halved)
        whole = self._dct.encode(image)
        with_seed = _with_guard(payload, generated, values)
        return with_seed if len(with_seed) < len(whole) else whole

    def _regenerated(self, file: Container, shape: tuple[int, ...]) -> Pixels:
        payload = SeedPayload.unpack(file.payload)
        values = self._values(payload.origin, shape)
        image = guard.rounded(values)
        flat = image.reshape(-1)
        if payload.guard and payload.guard[-1].place >= flat.size:
            raise CorruptDataError("the seed file stores samples that are outside of its image")
        deviation = max((abs(int(flat[s.place]) - s.value) for s in payload.guard), default=0)
        for sample in payload.guard:
            flat[sample.place] = sample.value
        if zlib.crc32(image.tobytes()) == payload.checksum:
            return image
        if not self._tolerate or not payload.guard:
            raise RegenerationError(
                "the generator draws another image here than the one stored: its checksum differs, and "
                f"samples do by {deviation} grey levels; tolerate={max(deviation, 1)} would accept it"
            )
        if deviation > self._tolerate:
            raise RegenerationError(
                f"the generator draws another image here than the one stored: its samples differ by "
                f"{deviation} grey levels, {self._tolerate} are tolerated"
            )
        return image

    def _values(self, origin: Origin, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        values = self._sampler(origin)
        if values.shape != shape:
            raise UnsupportedImageError(
                f"the model draws {_size(values.shape)}, the image has {_size(shape)}: "
                "only an image of the model's own size can be stored by its seed"
            )
        return values


def is_seed(data: bytes) -> bool:
    """Tells whether a file is a sound seed file."""
    try:
        _unpack(data, 2**62)
    except CodecError:
        return False
    return True


def read_origin(data: bytes) -> Origin:
    """Returns what names the image in a seed file.

    Raises:
        CorruptDataError: It is no seed file, or it was truncated or altered.
    """
    return SeedPayload.unpack(_unpack(data, 2**62).payload).origin


def _unpack(data: bytes, max_pixels: int) -> Container:
    file = container.unpack(data, max_pixels=max_pixels)
    if file.codec != container.SEED:
        raise CorruptDataError(
            f"the GanPress file is of codec {file.codec}; seed files are of {container.SEED}"
        )
    return file


def _guarded_like(image: Pixels, values: npt.NDArray[np.float32]) -> Pixels:
    """Returns the image as generated, its samples that are near a change of rounding as in `image`."""
    generated = guard.rounded(values)
    flat, wanted = generated.reshape(-1), image.reshape(-1)
    for distance, place in guard.by_nearness(values, guard.MOST_SAMPLES):
        if distance <= _GUARDED and abs(int(flat[place]) - int(wanted[place])) <= 1:
            flat[place] = wanted[place]
    return generated


def _with_guard(payload: SeedPayload, image: Pixels, values: npt.NDArray[np.float32]) -> bytes:
    """Returns the file, with as many samples of the image as are due."""
    nearest = guard.by_nearness(values, guard.MOST_SAMPLES)
    count = sum(distance <= _GUARDED for distance, _ in nearest)
    count = min(max(count, _LEAST_SAMPLES), len(nearest))
    wanted = sum(distance <= _GUARDED_IF_SHORT for distance, _ in nearest)
    aim_bytes = _PAYLOAD_AIM_BYTES + len(payload.difference)
    flat = image.reshape(-1)

    def packed(count: int) -> bytes:
        samples = sorted(GuardSample(place, int(flat[place])) for _, place in nearest[:count])
        return replace(payload, guard=tuple(samples)).pack()

    data = packed(count)
    while count < wanted and len(longer := packed(count + 1)) <= aim_bytes:
        data, count = longer, count + 1
    height_px, width_px, channels = image.shape
    return Container(container.SEED, width_px, height_px, channels, data).pack()


def _edited_by(generated: Pixels, difference: Pixels, is_halved: bool) -> Pixels:
    change = (difference.astype(np.int16) - 128) * (2 if is_halved else 1)
    return np.clip(generated + change, 0, 255).astype(np.uint8)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} pixels of {shape[2]} channels"

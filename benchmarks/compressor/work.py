"""The images of the benchmark, and the codecs without a service."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import tarfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

from PIL import Image

from services.compressor.codecs import get_codec
from services.compressor.inputs import read

PHOTO_PX = (1224, 816)
"""Sides of a photograph of one million pixels."""
THUMBNAIL_PX = 64
_LOOPS = 8_000


@dataclass(frozen=True)
class Speed:
    """What a run took."""

    images: int
    wall_s: float
    cpu_s: float
    """Of all processes that took part."""

    @property
    def images_per_s(self) -> float:
        """Images a second by the clock."""
        return self.images / self.wall_s

    @property
    def images_per_cpu_s(self) -> float:
        """Images a second of processor time, which other programs change less."""
        return self.images / self.cpu_s


def photographs(archive: Path, count: int) -> list[bytes]:
    """Returns JPEG files of one megapixel, made of Kodak's photographs; each some times over if need be."""
    files = [_file(image.resize(PHOTO_PX), "JPEG", quality=92) for image in _originals(archive, count)]
    return _repeated(files, count)


def thumbnails(archive: Path, count: int) -> list[bytes]:
    """Returns PNG files of 64x64 pixels, cut from photographs half their size; each some times over."""
    files: list[bytes] = []
    for image in _originals(archive, 16):
        small = image.resize((image.width // 2, image.height // 2))
        files += [
            _file(small.crop((x, y, x + THUMBNAIL_PX, y + THUMBNAIL_PX)), "PNG")
            for y in range(0, small.height - THUMBNAIL_PX + 1, THUMBNAIL_PX)
            for x in range(0, small.width - THUMBNAIL_PX + 1, THUMBNAIL_PX)
        ]
    return _repeated(files, count)


def alone(codec_id: str, images: Sequence[bytes], cores: int) -> Speed:
    """Reads and encodes images in as many processes as there are cores, each with its share; no service."""
    context = multiprocessing.get_context("fork")
    shares = [images[core::cores] for core in range(cores)]
    with ProcessPoolExecutor(cores, context) as pool:
        list(pool.map(_encode, [codec_id] * cores, [share[:1] for share in shares]))  # all are started
        begun_s = perf_counter()
        cpu_s = sum(pool.map(_encode, [codec_id] * cores, shares))
        return Speed(len(images), perf_counter() - begun_s, cpu_s)


def arithmetic(cores: int) -> float:
    """Returns how many loops a second as many processes as there are cores run, which wait for nothing."""
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(cores, context) as pool:
        list(pool.map(_loop, [1] * cores))  # all are started
        begun_s = perf_counter()
        list(pool.map(_loop, [_LOOPS] * cores))
        return cores * _LOOPS / (perf_counter() - begun_s)


def pin(cores: Sequence[int]) -> None:
    """Keeps this process, all its threads and what it starts from now on to these cores."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)


def _loop(count: int) -> int:
    return sum(sum(range(10_000)) for _ in range(count))


def _encode(codec_id: str, images: Sequence[bytes]) -> float:
    begun_s, codec = process_time(), get_codec(codec_id)
    for image in images:
        codec.encode(read(image).first)
    return process_time() - begun_s


def _originals(archive: Path, count: int) -> list[Image.Image]:
    with tarfile.open(archive) as tar:
        members = [member for member in tar if member.name.endswith(".png")][:count]
        files = [tar.extractfile(member) for member in members]
        return [Image.open(io.BytesIO(file.read())).convert("RGB") for file in files if file]


def _repeated(files: list[bytes], count: int) -> list[bytes]:
    return (files * -(-count // len(files)))[:count]


def _file(image: Image.Image, file_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()

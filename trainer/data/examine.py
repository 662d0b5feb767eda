"""Decodes raw images on several threads; Pillow lets them run side by side."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from trainer.data.decode import decode
from trainer.data.doubles import Fingerprint, fingerprint
from trainer.data.errors import UnusableError
from trainer.data.raw import RawImage


@dataclass(frozen=True)
class LeftOut:
    """A file that is not in the set."""

    file: str
    """Path within the source."""
    reason: str
    """The same words for every file left out for this reason."""
    detail: str
    """What is special to this one."""


@dataclass(frozen=True)
class Labelled:
    """A raw image with its label and split."""

    raw: RawImage
    label: str | None
    """None: unlabelled."""
    split: str | None
    """None: the data does not say."""


@dataclass(frozen=True)
class Examined:
    """A usable image."""

    name: str
    label: str | None
    split: str | None
    pixels: np.ndarray
    """uint8 [C, S, S]."""
    content_sha256: bytes
    """Digest of the file."""
    fingerprint: Fingerprint


def examine_all(
    images: Iterable[Labelled | LeftOut], size_px: int, channels: int, workers: int
) -> Iterator[Examined | LeftOut]:
    """Yields what became of each image, in the order given; few are in memory at a time."""
    pending: deque[LeftOut | Future[Examined | LeftOut]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for image in images:
                skipped = isinstance(image, LeftOut)
                pending.append(image if skipped else pool.submit(_examine, image, size_px, channels))
                while len(pending) > 4 * workers:
                    yield _result(pending.popleft())
            while pending:
                yield _result(pending.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _examine(image: Labelled, size_px: int, channels: int) -> Examined | LeftOut:
    raw = image.raw
    try:
        pixels = decode(raw, size_px, channels)
    except UnusableError as error:
        return LeftOut(raw.name, error.reason, error.detail)
    content = hashlib.sha256(raw.data or b"").digest()
    return Examined(raw.name, image.label, image.split, pixels, content, fingerprint(pixels))


def _result(pending: LeftOut | Future[Examined | LeftOut]) -> Examined | LeftOut:
    return pending if isinstance(pending, LeftOut) else pending.result()

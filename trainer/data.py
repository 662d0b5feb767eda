"""Decodes images once into arrays that stay in memory, and draws batches from them.

8,000 images of 64x64 are 99 MB; decoding them at every epoch would cost more than training does.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from trainer.sources import RawImage, SourceError

MIN_SIDE_PX = 24
"""Smaller images are left out: they have too little in them to learn from."""
MAX_PIXELS = 50_000_000
"""Larger images are left out before they are decoded."""
_TOO_MANY_PIXELS = f"more than {MAX_PIXELS} pixels"


@dataclass(frozen=True)
class Dataset:
    """Prepared images in memory."""

    images: np.ndarray
    """uint8 [N, C, S, S], 0..255."""
    labels: np.ndarray
    """int64 [N], indices into `label_names`."""
    label_names: tuple[str, ...]
    """Sorted names of the labels."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Number of files left out, by reason."""
    examples: dict[str, str] = field(default_factory=dict)
    """The first file left out for each reason."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of images by label."""
        numbers = np.bincount(self.labels, minlength=len(self.label_names))
        return {name: int(n) for name, n in zip(self.label_names, numbers, strict=True)}

    def sha256(self) -> str:
        """Returns the digest of images, labels and names, lower-case hexadecimal."""
        digest = hashlib.sha256(self.images.tobytes())
        digest.update(self.labels.tobytes())
        digest.update("\0".join(self.label_names).encode())
        return digest.hexdigest()


def data_record(data: Dataset, name: str, terms: str) -> dict[str, Any]:
    """Returns what a run keeps of its training data: name, terms, numbers, digest and what was left out."""
    return {
        "name": name,
        "terms": terms,
        "images": len(data.images),
        "images_per_label": data.counts,
        "sha256": data.sha256(),
        "skipped": dict(data.skipped),
    }


class _UnusableError(Exception):
    """An image is left out; the message is the reason."""


def prepare(
    source: Iterable[RawImage], size_px: int, channels: int, *, drop_labels: Iterable[str] = ()
) -> Dataset:
    """Decodes every usable image of `source` to size_px x size_px.

    Images are resized to the square, not cut: a car keeps both its ends.

    Args:
        source: files to decode.
        size_px: side of the images.
        channels: 1 grey or 3 RGB.
        drop_labels: labels whose images are left out.

    Raises:
        SourceError: no image is usable.
    """
    drop = set(drop_labels)
    images: list[np.ndarray] = []
    labels: list[str] = []
    skipped: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for raw in source:
        try:
            if raw.label in drop:
                raise _UnusableError(f"label {raw.label!r} was dropped")
            images.append(_decode(raw, size_px, channels))
            labels.append(raw.label)
        except _UnusableError as reason:
            skipped[str(reason)] += 1
            examples.setdefault(str(reason), raw.name)
    if not images:
        reasons = ", ".join(f"{reason}: {n}" for reason, n in skipped.items()) or "no files"
        raise SourceError(f"no usable image was found ({reasons})")
    names = tuple(sorted(set(labels)))
    index = {name: i for i, name in enumerate(names)}
    return Dataset(
        np.stack(images), np.array([index[label] for label in labels], np.int64), names, skipped, examples
    )


_JUNK_NAMES = {".ds_store", "thumbs.db", "desktop.ini"}
_SIDECARS = {".csv", ".json", ".txt", ".md", ".mat", ".xml"}


def _decode(raw: RawImage, size_px: int, channels: int) -> np.ndarray:
    """Returns uint8 [C, size_px, size_px]."""
    name = PurePosixPath(raw.name)
    if name.name.lower() in _JUNK_NAMES or name.name.startswith("._"):
        raise _UnusableError("junk file of an operating system")
    if name.suffix.lower() in _SIDECARS:
        raise _UnusableError("no image by its name")
    try:
        with Image.open(io.BytesIO(raw.data)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise _UnusableError(_TOO_MANY_PIXELS)
            image = ImageOps.exif_transpose(opened).convert("L" if channels == 1 else "RGB")
    except UnidentifiedImageError as error:
        raise _UnusableError("not an image") from error
    except Image.DecompressionBombError as error:
        raise _UnusableError(_TOO_MANY_PIXELS) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise _UnusableError("broken image") from error
    if raw.box_px:
        left, top, right, bottom = raw.box_px
        image = image.crop((max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)))
    if min(image.size) < MIN_SIDE_PX:
        raise _UnusableError(f"smaller than {MIN_SIDE_PX} px")
    pixels = np.asarray(image.resize((size_px, size_px), Image.Resampling.LANCZOS, reducing_gap=3.0))
    return pixels.reshape(size_px, size_px, channels).transpose(2, 0, 1)


class Sampler:
    """Draws batches for ever; its position can be saved and restored.

    With `balance` 0 each epoch shows every image once, in a new order; otherwise images are drawn with
    replacement, a label of n images in proportion to n^(1 - balance).
    """

    def __init__(self, data: Dataset, batch_size: int, *, balance: float, flip: bool, seed: int) -> None:
        self._images = torch.from_numpy(data.images)
        self._labels = torch.from_numpy(data.labels)
        self._batch_size, self._flip = batch_size, flip
        per_label = torch.from_numpy(np.bincount(data.labels)).double()
        self._weights = per_label[self._labels].pow(-balance)
        self._replacement = balance > 0
        self._rng = torch.Generator().manual_seed(seed)
        self._order: Tensor = torch.empty(0, dtype=torch.int64)
        self._position = 0

    def next(self) -> tuple[Tensor, Tensor]:
        """Returns images float32 [B, C, S, S] in -1..1 and labels int64 [B]."""
        if self._position + self._batch_size > len(self._order):
            n = max(len(self._weights), self._batch_size)
            replacement = self._replacement or n > len(self._weights)
            self._order = torch.multinomial(self._weights, n, replacement, generator=self._rng)
            self._position = 0
        chosen = self._order[self._position : self._position + self._batch_size]
        self._position += self._batch_size
        images = self._images[chosen].float().div_(127.5).sub_(1)
        if self._flip:
            mirrored = torch.rand(len(chosen), 1, 1, 1, generator=self._rng) < 0.5
            images = torch.where(mirrored, images.flip(3), images)
        return images, self._labels[chosen]

    def state(self) -> dict[str, Tensor | int]:
        """Returns the position, for `restore`."""
        return {"order": self._order, "position": self._position, "rng": self._rng.get_state()}

    def restore(self, state: dict[str, Tensor | int]) -> None:
        """Continues where `state` was taken."""
        self._order, self._position = state["order"], state["position"]  # type: ignore[assignment]
        self._rng.set_state(state["rng"])  # type: ignore[arg-type]

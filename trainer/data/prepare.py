"""Decodes images once into arrays that stay in memory.

8,000 images of 64x64 are 99 MB; decoding them at every epoch would cost more than training does.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from trainer.data.dataset import Dataset
from trainer.data.sources import RawImage, SourceError

MIN_SIDE_PX = 24
"""Smaller images are left out: they have too little in them to learn from."""
MAX_PIXELS = 50_000_000
"""Larger images are left out before they are decoded."""
_TOO_MANY_PIXELS = f"more than {MAX_PIXELS} pixels"


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

"""Two images made comparable, sample by sample.

A grey image beside one in colour counts as three equal channels; the colour of fully transparent pixels
does not count, for nobody sees it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from services.compressor.codecs.base import Pixels

_STRIP_PIXELS = 1 << 18  # compared at a time: bounds memory on large images


def comparable(original: Pixels, decoded: Pixels) -> tuple[Pixels, Pixels]:
    """Returns both images in the same number of channels and with hidden colours cleared.

    Raises:
        ValueError: They differ in size.
    """
    if original.shape[:2] != decoded.shape[:2]:
        raise ValueError(f"images of {original.shape[:2]} and {decoded.shape[:2]} cannot be compared")
    channels = max(original.shape[2], decoded.shape[2])
    return _with_channels(original, channels), _with_channels(decoded, channels)


def strips(original: Pixels, decoded: Pixels, overlap_px: int) -> Iterator[tuple[Pixels, Pixels]]:
    """Yields runs of rows of both images, made comparable.

    Neighbouring runs share `overlap_px` rows; each run has more rows than that.

    Raises:
        ValueError: They differ in size.
    """
    if original.shape[:2] != decoded.shape[:2]:
        raise ValueError(f"images of {original.shape[:2]} and {decoded.shape[:2]} cannot be compared")
    rows = max(1, _STRIP_PIXELS // original.shape[1])
    for start in range(0, original.shape[0] - overlap_px, rows):
        part = slice(start, start + rows + overlap_px)
        yield comparable(original[part], decoded[part])


def _with_channels(image: Pixels, channels: int) -> Pixels:
    if image.shape[2] == 1 and channels > 1:
        image = np.repeat(image, 3, axis=2)
    if image.shape[2] == 3 and channels == 4:
        return np.concatenate([image, np.full((*image.shape[:2], 1), 255, np.uint8)], axis=2)
    if channels == 4:
        return np.where(image[..., 3:] == 0, np.uint8(0), image)
    return image

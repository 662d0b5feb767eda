"""SSIMULACRA2, which follows what people see (libjxl's metric, trained on their votes)."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from services.compressor.codecs.base import Pixels
from services.compressor.codecs.errors import MissingPackageError
from services.compressor.codecs.metrics.comparing import comparable

SSIMULACRA2_SHORTEST_PX = 128
"""Below, the coarse ones of its six scales hold a few pixels and the score means nothing."""

_BACKGROUNDS = (0.1, 0.9)  # the reference's: what transparent images are judged on, the worse one counts


def ssimulacra2(original: Pixels, decoded: Pixels) -> float | None:
    """Returns the SSIMULACRA2 score: 90 can hardly be told apart, 70 is high, 50 medium, 30 low quality.

    It is 100 without a difference and has no lower end. An image with a side under 128 pixels has none.

    Raises:
        MissingPackageError: The package that computes it is not installed.
    """
    try:
        from ssimulacra2 import (  # pyright: ignore[reportMissingTypeStubs]
            compute_ssimulacra2,  # pyright: ignore[reportUnknownVariableType]
        )
    except ImportError:
        raise MissingPackageError("SSIMULACRA2", "ssimulacra2", "metrics") from None
    if min(original.shape[:2]) < SSIMULACRA2_SHORTEST_PX:
        return None
    a, b = comparable(original, decoded)
    backgrounds = _BACKGROUNDS if a.shape[2] == 4 else _BACKGROUNDS[:1]
    return min(
        float(compute_ssimulacra2(_bitmap(a, background), _bitmap(b, background)))
        for background in backgrounds
    )


def _bitmap(image: Pixels, background: float) -> io.BytesIO:
    """Returns an uncompressed file of the opaque image: files are what the package takes."""
    rgb = image[..., :3]
    if image.shape[2] == 4:
        alpha = image[..., 3:] / 255
        rgb = np.rint(alpha * rgb + (1 - alpha) * 255 * background).astype(np.uint8)
    if image.shape[2] == 1:
        rgb = np.repeat(image, 3, axis=2)
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "BMP")
    return file

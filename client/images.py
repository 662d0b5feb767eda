"""Arrays and PNG files, for callers of the client that work with pixels."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from client.errors import InputError


def to_png(pixels: NDArray[np.uint8]) -> bytes:
    """Returns a PNG file of uint8 [H, W], [H, W, 3] or [H, W, 4].

    Raises:
        InputError: The array has another type or shape.
    """
    grey = pixels.ndim == 2
    colour = pixels.ndim == 3 and pixels.shape[2] in (3, 4)
    if pixels.dtype != np.uint8 or not pixels.size or not (grey or colour):
        raise InputError(
            f"an image must be uint8 [H, W], [H, W, 3] or [H, W, 4], not {pixels.dtype} {list(pixels.shape)}"
        )
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def from_png(data: bytes) -> NDArray[np.uint8]:
    """Returns the pixels of a PNG from a service as uint8 [H, W], [H, W, 3] or [H, W, 4]."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        return np.asarray(image)

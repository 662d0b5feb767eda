"""JPEG files of many kinds."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def photo(width_px: int, height_px: int, mode: str = "RGB", *, seed: int = 0) -> Image.Image:
    """Returns waves, an edge and some noise in one of Pillow's modes that JPEG has."""
    y, x = np.mgrid[0:height_px, 0:width_px]
    waves = [120 + 80 * np.sin(x / (5 + c)) + 40 * np.cos(y / (9 - c)) for c in range(3)]
    noise = np.random.default_rng(seed).normal(0, 6, (height_px, width_px, 3))
    pixels = np.where((x + 2 * y < width_px)[..., None], np.stack(waves, axis=2), 70) + noise
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert(mode)


def jpeg(image: Image.Image, **options: Any) -> bytes:
    """Returns a JPEG file of an image, with Pillow's options."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()

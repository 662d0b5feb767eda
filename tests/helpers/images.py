"""Synthetic images and image files."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def smooth_image(width_px: int, height_px: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Returns gradients, a sharp disc and a little noise: uint8 [H, W, C], or [H, W] for one channel."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height_px, 0:width_px].astype(np.float64)
    x, y = x / max(width_px - 1, 1), y / max(height_px - 1, 1)
    disc = np.hypot(x - 0.5, y - 0.5) < 0.3
    planes = []
    for _ in range(channels):
        a, b, c = random.uniform(-1, 1, 3)
        planes.append(128 + 80 * (a * x + b * y) + 40 * c * disc + random.normal(0, 2, disc.shape))
    pixels = np.clip(np.rint(np.stack(planes, axis=-1)), 0, 255).astype(np.uint8)
    return pixels[..., 0] if channels == 1 else pixels


def image_file(pixels: NDArray[np.uint8], file_format: str = "PNG", **options: object) -> bytes:
    """Returns the pixels as an image file in a format of Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format, **options)
    return buffer.getvalue()


def png_file(width_px: int = 64, height_px: int = 48, channels: int = 3, seed: int = 0) -> bytes:
    """Returns a PNG file."""
    return image_file(smooth_image(width_px, height_px, channels, seed))


def jpeg_file(width_px: int = 64, height_px: int = 48, channels: int = 3, seed: int = 0) -> bytes:
    """Returns a JPEG file of quality 90."""
    return image_file(smooth_image(width_px, height_px, channels, seed), "JPEG", quality=90)

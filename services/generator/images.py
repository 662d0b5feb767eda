"""Pixels to image files that say where they come from."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from services.common.version import GANPRESS_VERSION


@dataclass(frozen=True)
class Provenance:
    """What names an image: the same digest, label, seed and truncation give the same pixels."""

    model: str
    """Model name."""
    version: int
    """Model version."""
    digest: str
    """Digest of the model."""
    label: str
    """Label; empty for an unconditional model."""
    seed: int
    """Seed of this image alone."""
    truncation: float
    """Factor on the latent vector."""


def encode_png(pixels: NDArray[np.uint8], provenance: Provenance) -> bytes:
    """Returns a PNG file with the provenance in text chunks, `ganpress:<field>`, and `Software`.

    Args:
        pixels: uint8 [H, W, C], C is 1 or 3.
        provenance: What names the image; the truncation becomes the shortest decimal that gives it back.
    """
    text = PngInfo()
    for field, value in vars(provenance).items():
        text.add_text(f"ganpress:{field}", str(value))
    text.add_text("Software", f"GanPress {GANPRESS_VERSION}")
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()

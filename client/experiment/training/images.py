"""Grids of images that the trainer wrote, for pages."""

from __future__ import annotations

import io

from PIL import Image, UnidentifiedImageError

from client.experiment.report.blocks import Picture

WEBP_QUALITY = 90
"""PNG would make a page ten times as large."""
MAX_WIDTH_PX = 1400
MAX_HEIGHT_PX = 1400
"""Of larger grids the upper left part is taken."""


def read_picture(data: bytes, title: str, detail: str) -> Picture | None:
    """Returns a grid as WebP, None when it cannot be read."""
    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(data)) as image:
            part = image.convert("RGB").crop(
                (0, 0, min(image.width, MAX_WIDTH_PX), min(image.height, MAX_HEIGHT_PX))
            )
            part.save(buffer, "WEBP", quality=WEBP_QUALITY)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None
    return Picture(title, detail, buffer.getvalue(), "image/webp", *part.size)

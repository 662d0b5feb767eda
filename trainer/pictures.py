"""Images as pictures for people."""

from __future__ import annotations

import numpy as np
from PIL import Image

GAP_PX = 2


def grid(images: np.ndarray, columns: int) -> Image.Image:
    """Returns images uint8 [N, C, S, S] in rows of `columns`, with a gap between."""
    side = images.shape[-1] + GAP_PX
    sheet = Image.new("RGB", (columns * side - GAP_PX, -(-len(images) // columns) * side - GAP_PX), "white")
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        sheet.paste(picture(image), (column * side, row * side))
    return sheet


def picture(image: np.ndarray) -> Image.Image:
    """Returns an image uint8 [C, S, S] as an RGB picture."""
    return Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).convert("RGB")

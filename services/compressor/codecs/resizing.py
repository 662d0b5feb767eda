"""Images of another size."""

from __future__ import annotations

import numpy as np
from PIL import Image

from services.compressor.codecs.base import Pixels


def resized(image: Pixels, width_px: int, height_px: int) -> Pixels:
    """Returns the image at another size, by Lanczos's filter; colours count by their opacity.

    An image that has the size already is returned as it is.
    """
    if image.shape[:2] == (height_px, width_px):
        return image
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    scaled = np.asarray(picture.resize((width_px, height_px), Image.Resampling.LANCZOS))
    return scaled.reshape(height_px, width_px, image.shape[2])

"""Shape alone: histograms of oriented gradients (Dalal & Triggs 2005) of the grey image.

Nothing here was learned from photographs, so it judges a model that was trained with the help of an
ImageNet network without favour.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import torch
from skimage.color import rgb2gray
from skimage.feature import hog
from torch.nn import functional as F

from trainer.metrics.features import Extractor

SIDE_PX = 64


class HogExtractor(Extractor):
    """8 orientations in cells of 8x8 px, blocks of 2x2 cells, at 64 px: 1,568 numbers."""

    name = "hog"

    def version(self, image_size_px: int) -> str:  # noqa: ARG002 - every size becomes 64 px
        """Names package, version and input size."""
        return f"scikit-image {version('scikit-image')}, {SIDE_PX} px, 1"

    def __call__(self, images: np.ndarray, report: Callable[[int], None] = lambda _: None) -> np.ndarray:
        """Returns features float32 [N, 1568]."""
        rows = []
        for image in images:
            grey = rgb2gray(image.transpose(1, 2, 0)) if len(image) == 3 else image[0] / 255
            rows.append(hog(_resized(grey), 8, (8, 8), (2, 2)))
            report(1)
        return np.stack(rows).astype(np.float32)


def _resized(grey: np.ndarray) -> np.ndarray:
    if grey.shape == (SIDE_PX, SIDE_PX):
        return grey
    pixels = torch.from_numpy(grey)[None, None]
    return F.interpolate(pixels, (SIDE_PX, SIDE_PX), mode="bilinear", antialias=True)[0, 0].numpy()

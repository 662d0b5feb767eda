"""What the metrics see of an image: a row of numbers from an extractor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch

from trainer.metrics import MetricsError

EXTRACTORS = ("lite0", "lite2", "hog")
"""Names of the extractors that need no file of their own."""


class Extractor(ABC):
    """Turns images into features.

    Attributes:
        name: short name, the ending of the metrics' names.
    """

    name: str

    @abstractmethod
    def version(self, image_size_px: int) -> str:
        """Returns a text that differs whenever the features of images of this size may differ."""

    def metric_name(self, kind: str) -> str:
        """Returns the name of a metric of this kind (`fd`, `kid`, ...) on these features."""
        return f"{kind}_{self.name}"

    @abstractmethod
    def __call__(self, images: np.ndarray, report: Callable[[int], None] = lambda _: None) -> np.ndarray:
        """Returns features float32 [N, F] of images uint8 [N, C, S, S], C 1 (grey) or 3 (RGB).

        Args:
            images: the images.
            report: is told the number of images of each batch when it is done.
        """


def extractor(name: str, device: torch.device | None = None) -> Extractor:
    """Returns the extractor of this name; networks compute on `device`, by default the CPU.

    Raises:
        MetricsError: the name is unknown, or the package with the weights is not installed.
    """
    if name not in EXTRACTORS:
        raise MetricsError(f"there are no features {name!r}; there are: {', '.join(EXTRACTORS)}")
    if name == "hog":
        from trainer.metrics.hog import HogExtractor

        return HogExtractor()
    from trainer.metrics.lite import LiteExtractor

    return LiteExtractor(name, device or torch.device("cpu"))

"""Features of the Inception network that FID and KID are defined on, by torch-fidelity.

The weights are no part of any Python package: torch-fidelity publishes them as
pt_inception-2015-12-05-6726825d.pth, converted from the file of the original FID.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainer.metrics import MetricsError
from trainer.metrics.features import Extractor

BATCH_SIZE = 32


class InceptionExtractor(Extractor):
    """2,048 numbers of an image, which the network enlarges to 299 px as the original does."""

    name = "inception"

    def __init__(self, weights: Path, device: torch.device | None = None) -> None:
        """Loads the network.

        Raises:
            MetricsError: torch-fidelity is not installed, or the file does not hold the network's weights.
        """
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import (  # pyright: ignore[reportMissingImports]
                FeatureExtractorInceptionV3,
            )
        except ModuleNotFoundError as error:
            raise MetricsError("FID needs a package: pip install torch-fidelity") from error
        if not weights.is_file():
            raise MetricsError(f"{weights} does not exist; FID needs pt_inception-2015-12-05-6726825d.pth")
        try:
            torch.load(weights, map_location="cpu", weights_only=True)  # the package runs whatever is inside
            network: Any = FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights)
            )
        except Exception as error:  # torch raises many types for a foreign file
            raise MetricsError(f"{weights} does not hold the weights of FID's Inception network") from error
        self._device = device or torch.device("cpu")
        self._network = network.to(self._device)
        self._version = f"torch-fidelity {version('torch-fidelity')}, weights {_sha256(weights)[:12]}"

    def version(self, image_size_px: int) -> str:  # noqa: ARG002 - every size becomes 299 px
        """Names package and weights."""
        return self._version

    def metric_name(self, kind: str) -> str:
        """Returns `fid` and `kid` for the distances, which are defined on this network."""
        return {"fd": "fid", "kid": "kid"}.get(kind, super().metric_name(kind))

    @torch.inference_mode()
    def __call__(self, images: np.ndarray, report: Callable[[int], None] = lambda _: None) -> np.ndarray:
        """Returns features float32 [N, 2048]."""
        features = []
        for start in range(0, len(images), BATCH_SIZE):
            batch = torch.from_numpy(np.ascontiguousarray(images[start : start + BATCH_SIZE]))
            features.append(self._network(batch.expand(-1, 3, -1, -1).to(self._device))[0].cpu())
            report(len(batch))
        return torch.cat(features).numpy()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""BentoML: worker processes that batch, over HTTP; images travel as base64 texts."""

from __future__ import annotations

import base64

import bentoml
import numpy as np
from drawing import MAX_BATCH, MAX_DELAY_S, WORKERS, Drawer


@bentoml.service(workers=WORKERS, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Generator:
    """Draws latent vectors."""

    def __init__(self) -> None:
        self.draw = Drawer()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=round(200 * MAX_DELAY_S * 1000))
    def generate(self, z: list[str]) -> list[str]:
        vectors = np.stack([np.frombuffer(base64.b64decode(row), np.float32) for row in z])
        return [base64.b64encode(image.tobytes()).decode() for image in self.draw(vectors)]

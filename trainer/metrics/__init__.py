"""How good generated images are: distances from real images, labels, memorising (docs/metrics.md)."""

from __future__ import annotations

from trainer.errors import TrainerError


class MetricsError(TrainerError):
    """Something cannot be measured; the message says why and what is needed."""

"""Which models can be asked, told to health and metrics as versions come and go."""

from __future__ import annotations

from services.common.health import Health
from services.generator.metrics import GeneratorMetrics
from services.generator.repository import ModelEvent


class Presence:
    """Listens to a registry.

    Health gets the names `<prefix>/<model>/<version>` and, while any version of it is served,
    `<prefix>/<model>`.
    """

    def __init__(self, prefix: str, health: Health, metrics: GeneratorMetrics) -> None:
        """Takes the full name of the service, and who is to be told."""
        self._prefix = prefix
        self._health = health
        self._metrics = metrics
        self._versions: dict[str, set[int]] = {}

    def __call__(self, event: ModelEvent) -> None:
        """Takes note of what happened to a version."""
        model, version = f"{self._prefix}/{event.name}", event.version
        versions = self._versions.setdefault(event.name, set())
        match event.kind:
            case "ready":
                versions.add(version)
                self._metrics.version_ready(event.name, version)
                self._health.set(f"{model}/{version}", serving=True)
                self._health.set(model, serving=True)
            case "gone":
                versions.discard(version)
                self._metrics.version_gone(event.name, version)
                self._health.remove(f"{model}/{version}")
                if not versions:
                    self._health.remove(model)
            case "failed":
                self._metrics.version_failed(event.name)

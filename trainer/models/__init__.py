"""The networks, and how a configuration chooses among them."""

from __future__ import annotations

from trainer.config import Config
from trainer.models import cgan, dcgan
from trainer.models.base import Discriminator, Generator


def build(config: Config, n_labels: int) -> tuple[Generator, Discriminator]:
    """Returns a freshly initialised generator and discriminator for `n_labels` labels."""
    if config.architecture == "dcgan":
        return dcgan.build(config)
    return cgan.build(config, n_labels)

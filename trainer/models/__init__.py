"""The networks, and how a configuration chooses among them."""

from __future__ import annotations

from trainer.config import Config, ConfigError
from trainer.models import cgan, dcgan, joined, sgan
from trainer.models.base import Discriminator, Generator

_BUILDERS = {
    "dcgan": dcgan.build,
    "cgan": cgan.build,
    "cgan-mirza": joined.build_gan,
    "wgan-gp": joined.build_critic,
    "sgan": sgan.build,
}


def build(config: Config, n_labels: int) -> tuple[Generator, Discriminator]:
    """Returns a freshly initialised generator and discriminator for `n_labels` labels.

    Raises:
        ConfigError: the architecture needs more labels.
    """
    name = config.architecture
    needed = {"dcgan": 0, "sgan": 2}.get(name, 1)
    if n_labels < needed:
        raise ConfigError(
            f"architecture is {name!r}, which needs at least {needed} labels, but the data has {n_labels}; "
            "label the images, or use dcgan, which needs none"
        )
    return _BUILDERS[name](config, n_labels)

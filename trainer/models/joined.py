"""Labels joined to the inputs, after Mirza & Osindero 2014, arXiv 1411.1784.

The generator takes an embedding of the label beside z, the discriminator one more channel that the label
fills. The bodies are DCGAN's; with instance norm in the discriminator it is the critic of a conditional
WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028), whose penalty allows no norm across a batch.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from trainer.config import Config
from trainer.models.base import Discriminator, Generator
from trainer.models.dcgan import DcganDiscriminator, DcganGenerator, Norm, initialise


class JoinedGenerator(Generator):
    """DCGAN's generator on z and an embedding of the label of the same length."""

    def __init__(self, z_dim: int, n_labels: int, features: int, channels: int, size_px: int) -> None:
        super().__init__()
        self.z_dim, self.n_labels = z_dim, n_labels
        self.embed = nn.Embedding(n_labels, z_dim)
        self.net = DcganGenerator(2 * z_dim, features, channels, size_px)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return self.net(torch.cat([z, self.embed(label)], 1), label)


class JoinedDiscriminator(Discriminator):
    """DCGAN's discriminator on the image and a channel that belongs to the label."""

    def __init__(self, n_labels: int, features: int, channels: int, size_px: int, norm: Norm) -> None:
        super().__init__()
        self.embed = nn.Embedding(n_labels, size_px * size_px)
        self.net = DcganDiscriminator(features, channels + 1, size_px, norm)

    def features(self, image: Tensor, label: Tensor) -> Tensor:
        n, _, height, width = image.shape
        channel = self.embed(label).view(n, 1, height, width)
        joined = torch.cat([image, channel], 1)  # [N, C+1, S, S]
        return self.net.features(joined.contiguous(memory_format=torch.channels_last), label)

    def logit(self, features: Tensor, label: Tensor) -> Tensor:
        return self.net.logit(features, label)


def build_gan(config: Config, n_labels: int) -> tuple[JoinedGenerator, JoinedDiscriminator]:
    """Returns Mirza & Osindero's idea on DCGAN's networks, with batch norm in both."""
    return _build(config, n_labels, nn.BatchNorm2d)


def build_critic(config: Config, n_labels: int) -> tuple[JoinedGenerator, JoinedDiscriminator]:
    """Returns the same with instance norm in the discriminator, then called critic."""
    return _build(config, n_labels, partial(nn.InstanceNorm2d, affine=True))


def _build(config: Config, n_labels: int, norm: Norm) -> tuple[JoinedGenerator, JoinedDiscriminator]:
    size = (config.channels, config.image_size_px)
    generator = JoinedGenerator(config.z_dim, n_labels, config.generator_features, *size)
    discriminator = JoinedDiscriminator(n_labels, config.discriminator_features, *size, norm)
    initialise(generator, discriminator)
    return generator, discriminator

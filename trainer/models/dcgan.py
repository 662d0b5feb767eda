"""DCGAN: Radford, Metz, Chintala 2015, arXiv 1511.06434.

Strided convolutions down, fractionally strided ones up, no pooling; batch norm in both networks
except at the generator's output and the discriminator's input; ReLU and tanh in the generator,
LeakyReLU(0.2) in the discriminator; weights N(0, 0.02).
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from trainer.config import Config
from trainer.models.base import Discriminator, Generator


class DcganGenerator(Generator):
    """z -> 4x4 -> 8x8 -> ... -> SxS, the channels halving at each step."""

    def __init__(self, z_dim: int, features: int, channels: int, size_px: int) -> None:
        super().__init__()
        self.z_dim, self.n_labels = z_dim, 0
        steps = int(math.log2(size_px)) - 3
        width = features * 2**steps
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(z_dim, width, 4, 1, 0, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(True),
        ]  # [N, f*2^steps, 4, 4]
        for _ in range(steps):
            layers += [
                nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False),
                nn.BatchNorm2d(width // 2),
                nn.ReLU(True),
            ]
            width //= 2  # [N, width, 2s, 2s]
        layers += [nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh()]  # [N, C, S, S]
        self.body = nn.Sequential(*layers)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:  # noqa: ARG002 - unconditional
        return self.body(z[:, :, None, None])


class DcganDiscriminator(Discriminator):
    """SxS -> ... -> 4x4 -> one logit."""

    def __init__(self, features: int, channels: int, size_px: int) -> None:
        super().__init__()
        width = features
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
        for _ in range(int(math.log2(size_px)) - 3):
            layers += [
                nn.Conv2d(width, width * 2, 4, 2, 1, bias=False),
                nn.BatchNorm2d(width * 2),
                nn.LeakyReLU(0.2, True),
            ]
            width *= 2  # [N, width, s/2, s/2]
        self.body = nn.Sequential(*layers)  # [N, f*2^steps, 4, 4]
        self.head = nn.Conv2d(width, 1, 4, 1, 0, bias=False)

    def features(self, image: Tensor) -> Tensor:
        return self.body(image)

    def logit(self, features: Tensor, label: Tensor) -> Tensor:  # noqa: ARG002 - unconditional
        return self.head(features).flatten()  # [N]


def build(config: Config) -> tuple[DcganGenerator, DcganDiscriminator]:
    """Returns both networks with the paper's initialisation."""
    generator = DcganGenerator(config.z_dim, config.generator_features, config.channels, config.image_size_px)
    discriminator = DcganDiscriminator(config.discriminator_features, config.channels, config.image_size_px)
    for module in (*generator.modules(), *discriminator.modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
    return generator, discriminator

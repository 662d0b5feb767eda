"""DCGAN: Radford, Metz, Chintala 2015, arXiv 1511.06434.

Strided convolutions down, fractionally strided ones up, no pooling; batch norm in both networks
except at the generator's output and the discriminator's input; ReLU and tanh in the generator,
LeakyReLU(0.2) in the discriminator; weights N(0, 0.02).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

from trainer.config import Config
from trainer.models.base import Discriminator, Generator
from trainer.models.convolution import Double, Halve


class DcganGenerator(Generator):
    """z -> 4x4 -> 8x8 -> ... -> SxS, the channels halving at each step."""

    def __init__(self, z_dim: int, features: int, channels: int, size_px: int) -> None:
        super().__init__()
        self.z_dim, self.n_labels = z_dim, 0
        steps = int(math.log2(size_px)) - 3
        width = features * 2**steps
        # The paper's "project and reshape"; as a transposed convolution it is the same and slower.
        self.stem = nn.Linear(z_dim, 16 * width, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(width), nn.ReLU(True)]  # [N, f*2^steps, 4, 4]
        for _ in range(steps):
            layers += [Double(width, width // 2, bias=False), nn.BatchNorm2d(width // 2), nn.ReLU(True)]
            width //= 2  # [N, width, 2s, 2s]
        layers += [Double(width, channels, bias=False), nn.Tanh()]  # [N, C, S, S]
        self.body = nn.Sequential(*layers)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:  # noqa: ARG002 - unconditional
        x = self.stem(z).unflatten(1, (4, 4, -1)).permute(0, 3, 1, 2)  # [N, w, 4, 4], channels last
        return self.body(x)


Norm = Callable[[int], nn.Module]
"""Makes the norm of a layer from its number of channels."""


class DcganDiscriminator(Discriminator):
    """SxS -> ... -> 4x4 -> one logit."""

    def __init__(self, features: int, channels: int, size_px: int, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.body, width = strided_body(features, channels, size_px, norm)
        self.head = nn.Linear(width, 1, bias=False)

    def features(self, image: Tensor, label: Tensor) -> Tensor:  # noqa: ARG002 - unconditional
        return self.body(image)  # [N, f*2^steps*16]

    def logit(self, features: Tensor, label: Tensor) -> Tensor:  # noqa: ARG002
        return self.head(features).squeeze(1)  # [N]


def strided_body(features: int, channels: int, size_px: int, norm: Norm) -> tuple[nn.Sequential, int]:
    """Returns the discriminator's layers, [N, C, S, S] -> [N, F], and F."""
    layers: list[nn.Module] = [Halve(channels, features, bias=False), nn.LeakyReLU(0.2, True)]
    width = features
    for _ in range(int(math.log2(size_px)) - 3):
        layers += [Halve(width, 2 * width, bias=False), norm(2 * width), nn.LeakyReLU(0.2, True)]
        width *= 2  # [N, width, s/2, s/2]
    return nn.Sequential(*layers, nn.Flatten()), 16 * width


def initialise(*networks: nn.Module) -> None:
    """Gives networks the paper's weights: N(0, 0.02), and N(1, 0.02) for the gains of batch norms."""
    for module in (m for network in networks for m in network.modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


def build(config: Config, n_labels: int) -> tuple[DcganGenerator, DcganDiscriminator]:  # noqa: ARG001
    """Returns both networks; labels play no part."""
    size = (config.channels, config.image_size_px)
    generator = DcganGenerator(config.z_dim, config.generator_features, *size)
    discriminator = DcganDiscriminator(config.discriminator_features, *size)
    initialise(generator, discriminator)
    return generator, discriminator

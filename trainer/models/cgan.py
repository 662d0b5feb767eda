"""The default conditional GAN: DCGAN's body under a label.

Generator: conditional batch norm (Dumoulin et al. 2017, arXiv 1610.07629). Discriminator: no
normalisation, as the gradient penalties ask for; label by projection (Miyato & Koyama 2018, arXiv
1802.05637) and an auxiliary classifier (Odena et al. 2017, arXiv 1610.09585) on the same features.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.config import Config
from trainer.models.base import Discriminator, Generator
from trainer.models.convolution import Double, Halve


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose gain and bias belong to the label."""

    def __init__(self, width: int, n_labels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.gain = nn.Embedding(n_labels, width)
        self.bias = nn.Embedding(n_labels, width)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Returns x, [N, width, h, w], normalised and scaled by its labels [N]."""
        return self.norm(x) * self.gain(label)[:, :, None, None] + self.bias(label)[:, :, None, None]


class CganGenerator(Generator):
    """z -> 4x4 -> 8x8 -> ... -> SxS; the label acts through the norms.

    It is not joined to z as well: an embedding there drowns z early in training, and every label
    collapses to one picture.
    """

    def __init__(self, z_dim: int, n_labels: int, features: int, channels: int, size_px: int) -> None:
        super().__init__()
        self.z_dim, self.n_labels = z_dim, n_labels
        steps = int(math.log2(size_px)) - 3
        widths = [features * 2**i for i in range(steps, -1, -1)]
        self.stem = nn.Linear(z_dim, widths[0] * 16)
        self.norms = nn.ModuleList(ConditionalBatchNorm(w, n_labels) for w in widths)
        self.ups = nn.ModuleList(Double(a, b) for a, b in pairwise(widths))
        self.out = Double(widths[-1], channels)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        x = self.stem(z)  # [N, w*16]
        x = F.relu(self.norms[0](x.unflatten(1, (-1, 4, 4)), label), inplace=True)  # [N, w, 4, 4]
        for up, norm in zip(self.ups, self.norms[1:], strict=True):  # type: ignore[arg-type]
            x = F.relu(norm(up(x), label), inplace=True)  # [N, w/2, 2s, 2s]
        return torch.tanh(self.out(x))  # [N, C, S, S]


class CganDiscriminator(Discriminator):
    """SxS -> ... -> 4x4 -> 256 features -> a logit for the label, and scores of all labels."""

    def __init__(self, n_labels: int, features: int, channels: int, size_px: int) -> None:
        super().__init__()
        self.classifies = n_labels > 1
        widths = [channels] + [features * 2**i for i in range(int(math.log2(size_px)) - 2)]
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [Halve(a, b), nn.LeakyReLU(0.2, True)]  # [N, b, s/2, s/2]
        self.body = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(widths[-1] * 16, 256), nn.LeakyReLU(0.2, True)
        )
        self.head = nn.Linear(256, 1)
        self.embed = nn.Embedding(n_labels, 256)
        self.classifier = nn.Linear(256, n_labels)

    def features(self, image: Tensor, label: Tensor) -> Tensor:  # noqa: ARG002 - the label comes after
        return self.body(image)  # [N, 256]

    def logit(self, features: Tensor, label: Tensor) -> Tensor:
        projection = (features * self.embed(label)).sum(1) / features.shape[1] ** 0.5
        return self.head(features).squeeze(1) + projection  # [N]

    def classify(self, features: Tensor) -> Tensor:
        return self.classifier(features)  # [N, n_labels]


def build(config: Config, n_labels: int) -> tuple[CganGenerator, CganDiscriminator]:
    """Returns both networks: the discriminator initialised after He et al. 2015, the generator as DCGAN's.

    A generator that starts with small weights starts with grey images; PyTorch's default starts it with
    strong high-frequency noise, which the discriminator tells apart before anything is learned.
    """
    size = (config.channels, config.image_size_px)
    generator = CganGenerator(config.z_dim, n_labels, config.generator_features, *size)
    discriminator = CganDiscriminator(n_labels, config.discriminator_features, *size)
    for module in generator.modules():
        if isinstance(module, nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
    for module in discriminator.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, a=0.2)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return generator, discriminator

"""SGAN, the semi-supervised GAN: Odena 2016, arXiv 1606.01583; Salimans et al. 2016, arXiv 1606.03498.

DCGAN's networks; the discriminator tells K labels and "fake" apart. By the K + 1 scores an image is real
with the probability sigmoid(logsumexp(labels' scores) - fake's score), so the loss of K + 1 classes is the
minimax loss of that logit and, for labelled images, the cross-entropy of the labels' scores.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.config import Config
from trainer.models.base import Discriminator
from trainer.models.dcgan import DcganGenerator, initialise, strided_body


class SganDiscriminator(Discriminator):
    """SxS -> ... -> 4x4 -> scores of K labels and of "fake"."""

    classifies = True

    def __init__(self, n_labels: int, features: int, channels: int, size_px: int) -> None:
        super().__init__()
        self.body, width = strided_body(features, channels, size_px, nn.BatchNorm2d)
        self.labels = nn.Linear(width, n_labels)
        self.fake = nn.Linear(width, 1)

    def features(self, image: Tensor, label: Tensor) -> Tensor:  # noqa: ARG002 - labels are the output
        x = self.body(image)
        return torch.cat([self.labels(x), self.fake(x)], 1)  # [N, K+1]

    def logit(self, features: Tensor, label: Tensor) -> Tensor:  # noqa: ARG002
        return features[:, :-1].logsumexp(1) - features[:, -1]  # [N]

    def classify(self, features: Tensor) -> Tensor:
        return features[:, :-1]  # [N, K]


def build(config: Config, n_labels: int) -> tuple[DcganGenerator, SganDiscriminator]:
    """Returns both networks; the generator is unconditional."""
    size = (config.channels, config.image_size_px)
    generator = DcganGenerator(config.z_dim, config.generator_features, *size)
    discriminator = SganDiscriminator(n_labels, config.discriminator_features, *size)
    initialise(generator, discriminator)
    return generator, discriminator

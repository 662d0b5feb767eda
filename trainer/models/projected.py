"""Critics over the features of a network trained on ImageNet.

Projected GANs: Sauer et al. 2021, arXiv 2111.01007. The network is frozen; its features of four depths
are mixed by random, frozen convolutions, so that no critic can rest on a few of them, and judged by
small critics with spectral norm (Miyato et al. 2018, arXiv 1802.05957) and projection of the label.
Unlike the paper's, the critics see the image at its own size, which is ten times as fast; they see how
much a group of images differs (Karras et al. 2018, arXiv 1710.10196); and they stand beside a
discriminator of pixels. Without the latter two a small generator draws one good picture for ever.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from trainer.metrics.lite import load_network

DEPTHS = (2, 4, 10, 15)
"""Blocks of EfficientNet-Lite0 whose outputs are looked at: S/4, S/8, S/16 and S/32 px wide."""
CHANNELS = (24, 40, 112, 320)
"""Channels of those outputs."""
MIXED = (32, 64, 64, 128)
"""Channels after the random mixing."""
WIDTH = 64
"""Channels on which a critic decides."""
GROUP = 4
"""Images whose spread is shown to the critics together."""


class ProjectedFeatures(nn.Module):
    """Frozen features of images at four scales, mixed at random from the coarsest to the finest."""

    def __init__(self, size_px: int) -> None:
        super().__init__()
        layers = list(load_network("lite0", size_px).children())
        first = next(i for i, layer in enumerate(layers) if not isinstance(layer, _PLAIN))
        self.stem = nn.Sequential(*layers[:first])
        self.blocks = nn.ModuleList(layers[first : first + DEPTHS[-1] + 1])
        self.narrow = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(CHANNELS, MIXED, strict=True))
        self.merge = nn.ModuleList(nn.Conv2d(b, a, 3, 1, 1) for a, b in pairwise(MIXED))
        for conv in (*self.narrow, *self.merge):
            nn.init.kaiming_normal_(conv.weight)  # type: ignore[arg-type]
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        self.register_buffer("scale", torch.ones(len(DEPTHS)))
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Returns float [N, MIXED[i], s, s] for each depth i, of images float [N, C, S, S] in -1..1."""
        x = self.stem(images.expand(-1, 3, -1, -1))
        found = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in DEPTHS:
                found.append(self.narrow[len(found)](x))
        for i in range(len(found) - 2, -1, -1):
            coarser = F.interpolate(self.merge[i](found[i + 1]), size=found[i].shape[2:], mode="bilinear")
            found[i] = (found[i] + coarser) * 0.5**0.5
        return [x * scale for x, scale in zip(found, self.scale, strict=True)]  # type: ignore[arg-type]


_PLAIN = (nn.Conv2d, nn.ReLU6, nn.ZeroPad2d)


class FeatureCritic(nn.Module):
    """Judges the features of one scale, place by place."""

    def __init__(self, channels: int, halvings: int, n_labels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels += 1
        for _ in range(halvings):
            layers += [spectral_norm(nn.Conv2d(channels, 128, 4, 2, 1)), nn.LeakyReLU(0.2, True)]
            channels = 128
        layers += [spectral_norm(nn.Conv2d(channels, WIDTH, 3, 1, 1)), nn.LeakyReLU(0.2, True)]
        self.body = nn.Sequential(*layers)
        self.head = spectral_norm(nn.Conv2d(WIDTH, 1, 1))
        self.project = spectral_norm(nn.Conv2d(WIDTH, WIDTH, 1))
        self.embed = nn.Embedding(n_labels, WIDTH)

    def forward(self, features: Tensor, label: Tensor) -> Tensor:
        """Returns logits [N, h, w] of features [N, C, s, s] for labels [N]."""
        h = self.body(torch.cat([features, spread(features)], 1))
        projection = (self.project(h) * self.embed(label)[:, :, None, None]).sum(1) / WIDTH**0.5
        return self.head(h).squeeze(1) + projection


def spread(features: Tensor) -> Tensor:
    """Returns the mean standard deviation within each group of images: [N, 1, s, s] for [N, C, s, s].

    A group is `GROUP` rows that follow each other, or as many as divide N.
    """
    n = len(features)
    rows = next(size for size in (GROUP, 2, 1) if n % size == 0)
    variance = features.unflatten(0, (-1, rows)).var(1, correction=0)
    deviation = (variance + 1e-4).sqrt().mean((1, 2, 3)).repeat_interleave(rows)
    return deviation[:, None, None, None].expand(-1, 1, *features.shape[2:])


class FeatureCritics(nn.Module):
    """One critic for each scale."""

    def __init__(self, n_labels: int, size_px: int) -> None:
        super().__init__()
        self.features = ProjectedFeatures(size_px)
        self.critics = nn.ModuleList(
            FeatureCritic(channels, halvings, n_labels)
            for channels, halvings in zip(MIXED, (2, 1, 0, 0), strict=True)
        )

    def judge(self, features: list[Tensor], label: Tensor) -> list[Tensor]:
        """Returns each critic's logits [N, h, w]."""
        return [critic(x, label) for critic, x in zip(self.critics, features, strict=True)]

"""PyTorch's official DCGAN example as a peer: networks, optimisers and step of examples/dcgan/main.py.

float32, NCHW, Adam at 2e-4 with beta1 .5; the generator's step computes the gradients of the discriminator's
weights too, and every step reads the numbers that the example prints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

Z_DIM = 100


class Example:
    """Both networks of the example for 64 px, and its step."""

    def __init__(self, features: int, device: torch.device) -> None:
        torch.manual_seed(0)
        self.device = device
        self.generator = _generator(features).apply(_initialise).to(device)
        self.discriminator = _discriminator(features).apply(_initialise).to(device)
        self.criterion = nn.BCELoss()
        self.d_optimizer = torch.optim.Adam(self.discriminator.parameters(), 2e-4, (0.5, 0.999))
        self.g_optimizer = torch.optim.Adam(self.generator.parameters(), 2e-4, (0.5, 0.999))

    def step(self, images: Tensor) -> tuple[float, ...]:
        """Does one step on images float [B, 3, 64, 64] in -1..1; returns what the example prints."""
        self.discriminator.zero_grad()
        real = images.to(self.device)
        label = torch.full((len(real),), 1.0, device=self.device)
        output = self.discriminator(real).view(-1)
        real_error = self.criterion(output, label)
        real_error.backward()
        real_mean = output.mean().item()

        noise = torch.randn(len(real), Z_DIM, 1, 1, device=self.device)
        fake = self.generator(noise)
        label.fill_(0.0)
        output = self.discriminator(fake.detach()).view(-1)
        fake_error = self.criterion(output, label)
        fake_error.backward()
        fake_mean = output.mean().item()
        self.d_optimizer.step()

        self.generator.zero_grad()
        label.fill_(1.0)
        output = self.discriminator(fake).view(-1)
        error = self.criterion(output, label)
        error.backward()
        self.g_optimizer.step()
        d_error = (real_error + fake_error).item()
        return d_error, error.item(), real_mean, fake_mean, output.mean().item()


def _generator(features: int) -> nn.Module:
    layers: list[nn.Module] = [nn.ConvTranspose2d(Z_DIM, 8 * features, 4, 1, 0, bias=False)]
    for width in (8 * features, 4 * features, 2 * features):  # 4x4, 8x8, 16x16
        layers += [nn.BatchNorm2d(width), nn.ReLU(True)]
        layers += [nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(features), nn.ReLU(True)]  # 32x32
    layers += [nn.ConvTranspose2d(features, 3, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers)


def _discriminator(features: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, features, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    for width in (features, 2 * features, 4 * features):  # 32x32, 16x16, 8x8
        layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(8 * features, 1, 4, 1, 0, bias=False), nn.Sigmoid())


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)

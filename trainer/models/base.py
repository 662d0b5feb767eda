"""What every generator and discriminator has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class Generator(nn.Module, ABC):
    """Draws images from noise.

    Attributes:
        z_dim: length of a latent vector.
        n_labels: number of labels; 0 for an unconditional generator, which ignores `label`.
    """

    z_dim: int
    n_labels: int

    @abstractmethod
    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """Returns images, float [N, C, S, S] in -1..1, for z [N, z_dim] and label int64 [N]."""


class Discriminator(nn.Module, ABC):
    """Judges images.

    Attributes:
        classifies: whether `classify` may be called.
    """

    classifies: bool = False

    @abstractmethod
    def features(self, image: Tensor, label: Tensor) -> Tensor:
        """Returns what the network sees in images float [N, C, S, S] in -1..1: float [N, F]."""

    @abstractmethod
    def logit(self, features: Tensor, label: Tensor) -> Tensor:
        """Returns how real the images behind `features` look for their labels: float [N]."""

    def classify(self, features: Tensor) -> Tensor:  # noqa: ARG002 - an optional ability
        """Returns scores of the labels for the images behind `features`: float [N, n_labels]."""
        raise TypeError(f"{type(self).__name__} has no classifier")

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        """Returns `logit(features(image, label), label)`: float [N]."""
        return self.logit(self.features(image, label), label)

    @property
    def judges_alone(self) -> bool:
        """Whether the judgement of an image does not depend on the others of its batch."""
        return not any(isinstance(module, _BatchNorm) for module in self.modules())

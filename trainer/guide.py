"""Guides a generator by what a network trained on ImageNet sees: a second adversary beside the pixels'."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainer import losses
from trainer.augment import augment
from trainer.config import Config
from trainer.distributed import Group
from trainer.models.projected import FeatureCritics


class FeatureGuide:
    """The critics of features, their optimiser, and their part of a step.

    The features of the generated images are computed once for both networks' updates: they are the
    larger part of the cost.
    """

    AUGMENT_P = 1.0
    """Every image is augmented, as in Projected GANs: few photographs are soon learned by heart."""

    def __init__(self, config: Config, n_labels: int, device: torch.device, group: Group) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)  # the same weights on every rank
            critics = FeatureCritics(n_labels, config.image_size_px)
        self.critics = critics.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._trained = list(self.critics.critics.parameters())
        self.optimizer = torch.optim.Adam(self._trained, config.learning_rate, (config.beta1, config.beta2))
        self._group = group
        self._is_scaled = False
        self._of_fake: list[Tensor] = []

    def discriminator_step(
        self, real: Tensor, fake: Tensor, label: Tensor, rng: torch.Generator, learning_rate: float
    ) -> Tensor:
        """Updates the critics; returns their loss.

        Args:
            real: images float [N, C, S, S] in -1..1.
            fake: the generator's, with their graph.
            label: int64 [N].
            rng: source of the augmentation.
            learning_rate: Adam's step.
        """
        features = self.critics.features
        real, fake = (augment(images, self.AUGMENT_P, rng, self._group) for images in (real, fake))
        with torch.no_grad():
            of_real = features(real)
            if not self._is_scaled:
                of_real = self._set_scale(of_real)
        self._of_fake = features(fake)
        both = [torch.cat([r, f.detach()]) for r, f in zip(of_real, self._of_fake, strict=True)]
        logits = self.critics.judge(both, torch.cat([label, label]))
        loss = torch.stack([losses.d_hinge(*each.flatten(1).chunk(2)) for each in logits]).sum()
        self.optimizer.param_groups[0]["lr"] = learning_rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._group.average_gradients(self._trained)
        self.optimizer.step()
        return loss.detach()

    def _set_scale(self, of_real: list[Tensor]) -> list[Tensor]:
        """Brings the features of the first batch to a mean square of 1 at every scale."""
        square = self._group.mean(torch.stack([x.square().mean() for x in of_real]))
        self.critics.features.scale.copy_(square.rsqrt())  # type: ignore[operator]
        self._is_scaled = True
        return [x * scale for x, scale in zip(of_real, square.rsqrt(), strict=True)]

    def generator_loss(self, label: Tensor) -> Tensor:
        """Returns the generator's loss for the images of the step under way, after `discriminator_step`."""
        for parameter in self._trained:
            parameter.requires_grad_(False)
        logits = self.critics.judge(self._of_fake, label)
        for parameter in self._trained:
            parameter.requires_grad_(True)
        self._of_fake = []
        return torch.stack([losses.g_hinge(each.flatten(1)) for each in logits]).sum()

    def state(self) -> dict[str, Any]:
        """Returns all that a continuation needs."""
        return {
            "critics": self.critics.critics.state_dict(),
            "features": {
                name: value
                for name, value in self.critics.features.state_dict().items()
                if name.startswith(("narrow", "merge", "scale"))  # the network's weights come in a package
            },
            "optimizer": self.optimizer.state_dict(),
            "is_scaled": self._is_scaled,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from what `state` returned."""
        self.critics.critics.load_state_dict(state["critics"])
        self.critics.features.load_state_dict(state["features"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self._is_scaled = state["is_scaled"]

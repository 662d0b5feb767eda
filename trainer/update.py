"""One training step: the discriminator's updates, then the generator's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer import losses
from trainer.augment import AdaptiveProbability, augment
from trainer.config import Config
from trainer.distributed import Group
from trainer.guide import FeatureGuide
from trainer.models import build

NextBatch = Callable[[], tuple[Tensor, Tensor]]
"""Returns this rank's rows of the next batch: images float32 [B, C, S, S] in -1..1, channels last, and
labels int64 [B] (-1: unlabelled), both on the device."""


@dataclass(frozen=True)
class StepResult:
    """What one step computed, as scalars on the device: reading one waits for the device."""

    d_loss: Tensor
    """The discriminator's adversarial loss."""
    g_loss: Tensor
    """The generator's adversarial loss."""
    terms: dict[str, Tensor] = field(default_factory=dict)
    """Further terms by name, such as `penalty`; a term that was not computed in this step is absent."""


class Update:
    """Both networks, their optimisers and the arithmetic of a step.

    Every random number comes from the generator that `step` is given, drawn for the whole batch on each
    rank. Adam updates in the order of the steps, so a restored update continues bit for bit.

    Attributes:
        generator: on the device, channels last.
        discriminator: likewise.
        augmentation: the probability of augmentation and the discriminator's lead.
        steps: number of steps done.
    """

    def __init__(self, config: Config, n_labels: int, device: torch.device, group: Group) -> None:
        self.config, self.device, self.group = config, device, group
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)  # the same weights on every rank
            generator, discriminator = build(config, n_labels)
        self.generator, self.discriminator = generator.to(device), discriminator.to(device)
        for network in (self.generator, self.discriminator):
            network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.g_optimizer = self._adam(self.generator)
        self.d_optimizer = self._adam(self.discriminator)
        self.augmentation = AdaptiveProbability(config.augment_max_p, group)
        self.guide = FeatureGuide(config, n_labels, device, group) if config.feature_weight else None
        self.steps = 0

    def _adam(self, network: nn.Module) -> torch.optim.Adam:
        c = self.config
        return torch.optim.Adam(network.parameters(), c.learning_rate, (c.beta1, c.beta2))

    def state(self) -> dict[str, Any]:
        """Returns all that a continuation needs; every rank has to call it."""
        return {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "g_optimizer": self.g_optimizer.state_dict(),
            "d_optimizer": self.d_optimizer.state_dict(),
            "augmentation": self.augmentation.state(),
            "guide": self.guide.state() if self.guide else {},
            "steps": self.steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from what `state` returned."""
        for name in ("generator", "discriminator", "g_optimizer", "d_optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.augmentation.restore(state["augmentation"])
        if self.guide:
            self.guide.restore(state["guide"])
        self.steps = state["steps"]

    def step(self, next_batch: NextBatch, rng: torch.Generator, progress: float) -> StepResult:
        """Does one step of both networks.

        Args:
            next_batch: called once for each of the discriminator's updates.
            rng: source of noise and augmentation, on the CPU; in the same state on every rank.
            progress: share of the run that is done, 0..1; learning rate and penalty follow it.
        """
        c = self.config
        rate = annealed(c.learning_rate, c.final_learning_rate, progress)
        for optimizer in (self.g_optimizer, self.d_optimizer):
            optimizer.param_groups[0]["lr"] = rate
        real, label = next_batch()
        z = self.group.slice(torch.randn(c.batch_size, c.z_dim, generator=rng)).to(self.device)
        with self._autocast():
            fake = self.generator(z, label)
        d_loss, real_logit, terms = self._discriminator_step(
            real, fake.detach().float(), label, rng, progress
        )
        if self.guide:
            terms["features"] = self.guide.discriminator_step(real, fake.float(), label, rng, rate)
        g_loss = self._generator_step(fake.float(), label, real_logit, rng)
        self.steps += 1
        return StepResult(d_loss.detach(), g_loss.detach(), terms)

    def _discriminator_step(
        self, real: Tensor, fake: Tensor, label: Tensor, rng: torch.Generator, progress: float
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Updates the discriminator; returns its loss, its logits of the real images, and other terms."""
        c, d = self.config, self.discriminator
        terms: dict[str, Tensor] = {}
        p = self.augmentation.p
        real, fake = augment(real, p, rng, self.group), augment(fake, p, rng, self.group)
        with self._autocast():
            features = d.features(real)
            real_logit, fake_logit = d.logit(features, label), d(fake, label)
            scores = d.classify(features) if c.classifier_weight and d.classifies else None
        relativistic = c.loss == "relativistic"
        loss = (losses.d_relativistic if relativistic else losses.d_minimax)(
            real_logit.float(), fake_logit.float()
        )
        total = loss
        if scores is not None:
            terms["classifier"] = F.cross_entropy(scores.float(), label)
            total = total + c.classifier_weight * terms["classifier"]
        if c.penalty_gamma and self.steps % c.penalty_every_steps == 0:
            gamma = annealed(c.penalty_gamma, c.final_penalty_gamma, progress)
            terms["penalty"] = self._penalty(real, fake, label)
            total = total + c.penalty_every_steps * gamma / 2 * terms["penalty"]
        self.augmentation.update(real_logit.detach(), fake_logit.detach())
        self._descend(total, self.d_optimizer, d)
        return loss, real_logit.detach().float(), {name: term.detach() for name, term in terms.items()}

    def _penalty(self, real: Tensor, fake: Tensor, label: Tensor) -> Tensor:
        """Returns R1 + R2, computed in float32."""
        terms = []
        for images in (real, fake):
            inputs = images.detach().requires_grad_(True)
            terms.append(losses.gradient_penalty(self.discriminator(inputs, label), inputs))
        return terms[0] + terms[1]

    def _generator_step(
        self, fake: Tensor, label: Tensor, real_logit: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Updates the generator; returns its adversarial loss.

        The logits of the real images are those of the discriminator's step, one update old: computing
        them again costs a tenth of the step.
        """
        c, d = self.config, self.discriminator
        d.requires_grad_(False)  # saves the weights' gradients, which nobody would use
        with self._autocast():
            features = d.features(augment(fake, self.augmentation.p, rng, self.group))
            fake_logit = d.logit(features, label).float()
            if c.loss == "relativistic":
                loss = losses.g_relativistic(real_logit, fake_logit)
            else:
                loss = losses.g_non_saturating(fake_logit)
            total = loss
            if c.classifier_weight and d.classifies:
                total = total + c.classifier_weight * F.cross_entropy(d.classify(features).float(), label)
        if self.guide:
            total = total + c.feature_weight * self.guide.generator_loss(label)
        self._descend(total, self.g_optimizer, self.generator)
        d.requires_grad_(True)
        return loss

    def _descend(self, loss: Tensor, optimizer: torch.optim.Adam, network: nn.Module) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.group.average_gradients(network.parameters())
        optimizer.step()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16")


def annealed(first: float, last: float, progress: float) -> float:
    """Returns `first` over the first half of the run, then a cosine's value on the way to `last`."""
    late = max(progress - 0.5, 0.0) * 2
    return last + (first - last) * (1 + math.cos(math.pi * late)) / 2

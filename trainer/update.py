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
from trainer.models.convolution import constant_weights

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
        precision: arithmetic of the networks.
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
        self.precision = pick_precision(config.precision, device)
        self.g_optimizer = self._adam(self.generator)
        self.d_optimizer = self._adam(self.discriminator)
        self.augmentation = AdaptiveProbability(config.augment_max_p, group)
        self.guide = FeatureGuide(config, n_labels, device, group) if config.feature_weight else None
        self.steps = 0
        self._loss = losses.ADVERSARIAL[config.loss]
        self._is_conditional = generator.n_labels > 0
        self._judges_alone = discriminator.judges_alone
        self._classifies = discriminator.classifies and config.classifier_weight > 0
        # Only the calls are compiled: names in the state stay, and penalties, which need second
        # derivatives, use the networks as they are.
        compiled = torch.compile if config.compile else lambda function: function
        self._generate = compiled(self.generator.forward)
        self._features = compiled(self.discriminator.features)

    def _adam(self, network: nn.Module) -> torch.optim.Adam:
        c = self.config
        return torch.optim.Adam(network.parameters(), c.learning_rate, (c.beta1, c.beta2), fused=True)

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
        for _ in range(c.discriminator_steps - 1):
            real, label = next_batch()
            with torch.no_grad():
                fake = self._draw(label, rng)
            self._discriminator_step(real, fake, label, rng, progress)
        real, label = next_batch()
        fake = self._draw(label, rng)
        d_loss, real_logit, terms = self._discriminator_step(real, fake.detach(), label, rng, progress)
        if self.guide:
            known = label if self._is_conditional else torch.zeros_like(label)
            terms["features"] = self.guide.discriminator_step(real, fake, known, rng, rate)
        g_loss = self._generator_step(fake, label, real_logit, rng)
        self.steps += 1
        return StepResult(d_loss.detach(), g_loss.detach(), terms)

    def _draw(self, label: Tensor, rng: torch.Generator) -> Tensor:
        """Returns new images for the labels, float32."""
        z = torch.randn(self.config.batch_size, self.config.z_dim, generator=rng)
        with self._autocast():
            z = self.group.slice(z).to(self.device, non_blocking=True)
            return self._generate(z, label).float()

    def _discriminator_step(
        self, real: Tensor, fake: Tensor, label: Tensor, rng: torch.Generator, progress: float
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Updates the discriminator; returns its loss, its logits of the real images, and other terms."""
        c = self.config
        terms: dict[str, Tensor] = {}
        p = self.augmentation.p
        real, fake = augment(real, p, rng, self.group), augment(fake, p, rng, self.group)
        with constant_weights():
            real_logit, fake_logit, scores = self._judge(real, fake, label)
            loss = total = self._loss.discriminator(real_logit, fake_logit)
            if scores is not None:
                terms["classifier"] = losses.classification(scores, label, self.group)
                total = total + c.classifier_weight * terms["classifier"]
            if c.penalty_gamma and self.steps % c.penalty_every_steps == 0:
                weight = c.penalty_every_steps * annealed(c.penalty_gamma, c.final_penalty_gamma, progress)
                terms["penalty"] = self._penalty(real, fake, label, rng)
                total = total + weight * terms["penalty"]
            self.d_optimizer.zero_grad(set_to_none=True)
            total.backward()
        self.group.average_gradients(self.discriminator.parameters())
        self.d_optimizer.step()
        self.augmentation.update(real_logit.detach(), fake_logit.detach())
        return loss, real_logit.detach(), {name: term.detach() for name, term in terms.items()}

    def _judge(self, real: Tensor, fake: Tensor, label: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Returns the logits of real and of generated images, and the label scores of the real ones."""
        d = self.discriminator
        with self._autocast():
            if self._judges_alone:  # one pass for both is quicker
                features = self._features(torch.cat([real, fake]), label.repeat(2))
                of_real, of_fake = features.chunk(2)
            else:  # a batch norm's statistics are of one kind of images
                of_real, of_fake = self._features(real, label), self._features(fake, label)
            scores = d.classify(of_real).float() if self._classifies else None
            return d.logit(of_real, label).float(), d.logit(of_fake, label).float(), scores

    def _penalty(self, real: Tensor, fake: Tensor, label: Tensor, rng: torch.Generator) -> Tensor:
        """Returns the gradient penalty for a weight of 1, computed in float32."""
        if self.config.penalty == "wgan-gp":
            share = self.group.slice(torch.rand(self.config.batch_size, 1, 1, 1, generator=rng))
            between = fake.lerp(real, share.to(self.device, non_blocking=True)).requires_grad_(True)
            return losses.one_centred_penalty(self.discriminator(between, label), between)
        if self._judges_alone:  # one pass for both is quicker
            return self._zero_centred(torch.cat([real, fake]), label.repeat(2))
        return (self._zero_centred(real, label) + self._zero_centred(fake, label)) / 2

    def _zero_centred(self, images: Tensor, label: Tensor) -> Tensor:
        inputs = images.detach().requires_grad_(True)
        return losses.zero_centred_penalty(self.discriminator(inputs, label), inputs)

    def _generator_step(
        self, fake: Tensor, label: Tensor, real_logit: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Updates the generator; returns its adversarial loss.

        The logits of the real images are those of the discriminator's step, one update old: computing
        them again costs a tenth of the step.
        """
        c, d = self.config, self.discriminator
        d.requires_grad_(False)  # saves the weights' gradients, which nobody would use
        with constant_weights():
            with self._autocast():
                features = self._features(augment(fake, self.augmentation.p, rng, self.group), label)
                loss = total = self._loss.generator(real_logit, d.logit(features, label).float())
                if self._classifies and self._is_conditional:
                    scores = d.classify(features).float()
                    total = total + c.classifier_weight * F.cross_entropy(scores, label)
            if self.guide:
                known = label if self._is_conditional else torch.zeros_like(label)
                total = total + c.feature_weight * self.guide.generator_loss(known)
            self.g_optimizer.zero_grad(set_to_none=True)
            total.backward()
        self.group.average_gradients(self.generator.parameters())
        self.g_optimizer.step()
        d.requires_grad_(True)
        return loss

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")


def pick_precision(wanted: str, device: torch.device) -> str:
    """Returns the arithmetic, "fp32" or "bf16", that `wanted` ("auto" or one of them) means on a device."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        cpu = torch.cpu.get_capabilities()
        native = cpu.get("avx512_bf16", False) or cpu.get("amx_bf16", False)
    return "bf16" if native else "fp32"


def annealed(first: float, last: float, progress: float) -> float:
    """Returns `first` over the first half of the run, then a cosine's value on the way to `last`."""
    late = max(progress - 0.5, 0.0) * 2
    return last + (first - last) * (1 + math.cos(math.pi * late)) / 2

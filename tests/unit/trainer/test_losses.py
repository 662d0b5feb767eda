"""Losses and augmentation on plain tensors."""

import math

import pytest
import torch
from torch import nn

from trainer import losses
from trainer.augment import AdaptiveProbability, augment
from trainer.distributed import Group


def test_minimax_values() -> None:
    """At logits of 0 the discriminator's loss is 2 log 2 and the generator's log 2 (Goodfellow et al.)."""
    zero = torch.zeros(4)
    assert losses.d_minimax(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert losses.g_non_saturating(zero).item() == pytest.approx(math.log(2))


def test_relativistic_sees_differences_only() -> None:
    """Adding a constant to all logits changes nothing, and the two sides mirror each other."""
    real, fake = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    assert torch.allclose(losses.d_relativistic(real, fake), losses.d_relativistic(real + 7, fake + 7))
    assert torch.allclose(losses.d_relativistic(real, fake), losses.g_relativistic(fake, real))


def test_gradient_penalty_of_a_linear_critic() -> None:
    """For D(x) = w.x the penalty is |w|^2, and it can be differentiated by w."""
    critic = nn.Linear(12, 1, bias=False)
    images = torch.randn(5, 3, 2, 2, requires_grad=True)
    penalty = losses.zero_centred_penalty(critic(images.flatten(1)).squeeze(1), images)
    assert torch.allclose(penalty, critic.weight.square().sum())
    penalty.backward()
    assert critic.weight.grad is not None
    assert torch.allclose(critic.weight.grad, 2 * critic.weight)


def test_augmentation_touches_about_its_share() -> None:
    """With p 0 images stay as they are; with p 0.5 about half change, and all keep a gradient."""
    images = torch.rand(200, 3, 16, 16) * 2 - 1
    rng = torch.Generator().manual_seed(0)
    assert augment(images, 0, rng, Group()) is images
    images.requires_grad_(True)
    changed = augment(images, 0.5, rng, Group())
    share = (changed != images).flatten(1).any(1).float().mean().item()
    assert 0.35 < share < 0.65
    changed.sum().backward()
    assert images.grad is not None
    assert images.grad.flatten(1).abs().sum(1).min() > 0


def test_translation_brings_no_foreign_pixels() -> None:
    """A grey image stays flat: translation pads by reflection, not by zeros."""
    flat = torch.full((50, 3, 16, 16), 0.25)
    changed = augment(flat, 1, torch.Generator().manual_seed(0), Group())
    assert (changed.flatten(2).std(2) < 1e-5).all()


def test_probability_follows_the_lead() -> None:
    """P rises while the discriminator wins, up to its maximum, and falls when it does not."""
    adaptive = AdaptiveProbability(0.02, Group())
    real, fake = torch.ones(500), torch.zeros(500)
    for _ in range(208):
        adaptive.update(real, fake)
    assert adaptive.p == 0.02
    for _ in range(208):
        adaptive.update(fake, real)
    assert adaptive.p == 0


def test_probability_continues_between_its_changes() -> None:
    """What was seen since the last change of p is part of the state."""
    batches = torch.Generator().manual_seed(0)
    whole = AdaptiveProbability(0.3, Group())
    resumed = AdaptiveProbability(0.3, Group())
    for step in range(100):
        real, fake = torch.rand(2, 64, generator=batches) + torch.tensor([[0.4], [0.0]])
        whole.update(real, fake)
        resumed.update(real, fake)
        state, resumed = resumed.state(), AdaptiveProbability(0.3, Group())
        resumed.restore(state)
        assert (whole.p, whole.lead) == (resumed.p, resumed.lead), step
    assert whole.lead > 0.1

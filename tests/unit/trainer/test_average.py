"""The averaged generator."""

import pytest
import torch
from torch import nn

from trainer.average import Average


def test_the_average_follows_quickly_at_first_and_slowly_later() -> None:
    """Its decay rises to the one asked for, and batch statistics are averaged like weights."""
    network = nn.BatchNorm1d(1)
    average = Average(network, 0.9)
    expected, value = 1.0, 1.0
    for n in range(200):
        value += 1
        nn.init.constant_(network.weight, value)
        assert network.running_mean is not None
        network.running_mean.fill_(value)
        average.update_parameters(network)
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
        assert average.module.weight.item() == pytest.approx(expected)
    assert average.module.running_mean.item() == pytest.approx(expected, rel=1e-3)
    assert value - expected == pytest.approx(9, abs=0.01)  # the lag of a decay of 0.9
    assert average.n_averaged == 200


def test_its_state_continues() -> None:
    """An average that is restored goes on as if it had never stopped."""
    network = nn.Linear(3, 2)
    whole, resumed = Average(network, 0.99), Average(network, 0.99)
    for _ in range(5):
        nn.init.normal_(network.weight)
        whole.update_parameters(network)
        resumed.update_parameters(network)
        state, resumed = resumed.state_dict(), Average(network, 0.99)
        resumed.load_state_dict(state)
    assert torch.equal(whole.module.weight, resumed.module.weight)

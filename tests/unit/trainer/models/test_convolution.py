"""Our convolutions against PyTorch's."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.models import convolution
from trainer.models.convolution import Double, Halve, no_weight_gradients

SHAPES = [(3, 8, 8), (16, 6, 8), (32, 5, 8), (65, 66, 24), (32, 4, 12)]
"""Wide channels, narrow channels and wide side: each way of computing, and one that has no tiles."""


def tensors(c: int, o: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns images of the wide side, of the narrow side, and weights, in float64 and channels last."""
    torch.manual_seed(0)
    shapes = ((3, c, size, size), (3, o, size // 2, size // 2), (o, c, 4, 4))
    x, y, w = (torch.randn(s, dtype=torch.float64).to(memory_format=torch.channels_last) for s in shapes)
    return x, y, w


@pytest.mark.parametrize(("c", "o", "size"), SHAPES)
def test_every_way_gives_the_convolution(c: int, o: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Down, up and the weights' gradient equal PyTorch's, in one part or several."""
    x, y, w = tensors(c, o, size)
    for part_bytes in (convolution.WINOGRAD_BYTES, 1):
        monkeypatch.setattr(convolution, "WINOGRAD_BYTES", part_bytes)
        torch.testing.assert_close(convolution.halve(x, w), F.conv2d(x, w, None, 2, 1))
        torch.testing.assert_close(convolution.double(y, w), F.conv_transpose2d(y, w, None, 2, 1))
        expected = torch.nn.grad.conv2d_weight(x, list(w.shape), y, 2, 1)
        torch.testing.assert_close(convolution.weight_gradient(x, y), expected)


@pytest.mark.parametrize("layer", [Halve(128, 6), Double(6, 128), Halve(3, 6), Double(6, 3)])
def test_layers_equal_pytorchs_in_all_derivatives(layer: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """Output, first and second derivatives in training are those of the plain layer in evaluation."""
    monkeypatch.setattr(convolution, "_has_quicker_ways", lambda _: True)  # on any CPU
    torch.manual_seed(0)
    layer = layer.double()
    x = torch.randn(2, layer.in_channels, 8, 8, dtype=torch.float64, requires_grad=True)  # type: ignore[arg-type]

    def derivatives() -> list[Tensor]:
        y = F.leaky_relu_(layer(x), 0.2)  # in place, as in the networks
        (gradient,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        of_penalty = torch.autograd.grad(gradient.square().sum(), [x, *layer.parameters()])
        return [y, gradient, *of_penalty]

    for quick, plain in zip(derivatives(), (layer.eval(), derivatives())[1], strict=True):
        torch.testing.assert_close(quick, plain)


def test_weight_gradients_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside `no_weight_gradients` only the input gets a gradient; afterwards weights get theirs again."""
    monkeypatch.setattr(convolution, "_has_quicker_ways", lambda _: True)
    layer = Halve(3, 4, bias=False)
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    with no_weight_gradients():
        layer(x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None
    layer(x).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize("layer", [Halve(128, 8), Double(8, 128)])
def test_evaluation_and_bf16_use_pytorchs_layers(layer: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluation, which is what is exported, and bf16 do not go our own ways."""

    def forbidden(*_: Tensor) -> Tensor:
        raise AssertionError

    for name in ("halve", "double"):
        monkeypatch.setattr(convolution, name, forbidden)
    x = torch.randn(2, layer.in_channels, 8, 8)  # type: ignore[arg-type]
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert layer.eval()(x).dtype == torch.float32


def test_constant_weights_are_transformed_once_and_anew_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside the promise one transform serves all uses; after it changed weights count."""
    x, y, w = tensors(128, 5, 8)
    calls: list[Tensor] = []
    transform = convolution.winograd.u_of_w
    monkeypatch.setattr(
        convolution.winograd, "u_of_w", lambda weights: calls.append(weights) or transform(weights)
    )
    with convolution.constant_weights():
        for _ in range(2):
            torch.testing.assert_close(convolution.halve(x, w), F.conv2d(x, w, None, 2, 1))
            torch.testing.assert_close(convolution.double(y, w), F.conv_transpose2d(y, w, None, 2, 1))
    assert len(calls) == 1
    w.mul_(2)
    with convolution.constant_weights():
        torch.testing.assert_close(convolution.halve(x, w), F.conv2d(x, w, None, 2, 1))

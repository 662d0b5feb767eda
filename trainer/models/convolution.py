"""The convolutions of all our networks: 4x4 with stride 2, down and up, quick on CPUs too.

PyTorch's own run at 20 to 80 % of a core's speed where the CPU has AVX2 and no AVX-512: their weights'
gradients are slow, and so is any with three channels on the wider side. There, in float32 training, the
three operations that a convolution consists of go the quickest way that was measured for their shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import grad

from trainer.models import winograd


class Halve(nn.Conv2d):
    """A convolution 4x4 with stride 2: [N, C, H, W] -> [N, O, H/2, W/2]."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 4, 2, 1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name
        if not (self.training and _has_quicker_ways(input)):
            return super().forward(input)
        return _Halve.apply(input, self.weight, self.bias)  # type: ignore[return-value]


class Double(nn.ConvTranspose2d):
    """A transposed convolution 4x4 with stride 2: [N, O, h, w] -> [N, C, 2h, 2w]."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 4, 2, 1, bias=bias)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002
        if not (self.training and _has_quicker_ways(input)):
            return super().forward(input, output_size)
        return _Double.apply(input, self.weight, self.bias)  # type: ignore[return-value]


def _has_quicker_ways(x: Tensor) -> bool:
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return plain and _cpu_is_avx2() and not torch.compiler.is_compiling()


@cache
def _cpu_is_avx2() -> bool:
    return torch.backends.cpu.get_cpu_capability() == "AVX2"


@contextmanager
def no_weight_gradients() -> Iterator[None]:
    """Leaves out the weights' gradients of a backward pass that is for its inputs alone.

    PyTorch does so by itself in its own operations, but cannot tell ours (as in StyleGAN2-ADA's code).
    """
    _Weights.wanted = False
    try:
        yield
    finally:
        _Weights.wanted = True


@contextmanager
def constant_weights() -> Iterator[None]:
    """Promises that no weight changes inside, so that what is computed of weights alone is computed once."""
    _transformed.append({})
    try:
        yield
    finally:
        _transformed.pop()


_transformed: list[dict[int, tuple[Tensor, Tensor]]] = []
"""For each `constant_weights` under way weights and their transforms, by the weights' identity."""


def _transform(w: Tensor) -> Tensor:
    if not _transformed:
        return winograd.u_of_w(w)
    known = _transformed[-1]
    if id(w) not in known:
        known[id(w)] = (w, winograd.u_of_w(w))  # with w, so that no other takes its identity
    return known[id(w)][1]


# -- the three operations and their derivatives, each of which is one of the three ------------------
# x [N, C, H, W] is the wide side, y [N, O, H/2, W/2] the narrow one, w [O, C, 4, 4].


class _Halve(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
        ctx.save_for_backward(x, w)
        return _add_bias(halve(x, w), bias)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:  # type: ignore[override]
        x, w = ctx.saved_tensors
        wants_x, wants_w, wants_bias = _wanted(ctx)
        dx = _Double.apply(dy, w) if wants_x else None
        return dx, _Weights.apply(x, dy) if wants_w else None, dy.sum((0, 2, 3)) if wants_bias else None


class _Double(Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
        ctx.save_for_backward(y, w)
        return _add_bias(double(y, w), bias)

    @staticmethod
    def backward(ctx: Any, dx: Tensor) -> Any:  # type: ignore[override]
        y, w = ctx.saved_tensors
        wants_y, wants_w, wants_bias = _wanted(ctx)
        dy = _Halve.apply(dx, w) if wants_y else None
        return dy, _Weights.apply(dx, y) if wants_w else None, dx.sum((0, 2, 3)) if wants_bias else None


class _Weights(Function):
    wanted = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return weight_gradient(x, y)

    @staticmethod
    def backward(ctx: Any, dw: Tensor) -> Any:  # type: ignore[override]
        x, y = ctx.saved_tensors
        wants_x, wants_y = ctx.needs_input_grad
        return _Double.apply(y, dw) if wants_x else None, _Halve.apply(x, dw) if wants_y else None


def _wanted(ctx: Any) -> list[bool]:
    wants_images, *wants_weights = ctx.needs_input_grad
    return [wants_images, *(_Weights.wanted and each for each in wants_weights), False][:3]


def _add_bias(images: Tensor, bias: Tensor | None) -> Tensor:
    return images if bias is None else images.add_(bias[:, None, None])


# -- the quickest way by the number of channels on the wide side ------------------------------------

WINOGRAD_CHANNELS = 32
"""From so many channels on the transforms cost less than the products they save."""
WINOGRAD_BYTES = 16 << 20
"""Images are taken in parts whose transform is no larger: beyond that it leaves the cache."""
FEW_CHANNELS = 4
"""Up to so many channels, as images have."""


def halve(x: Tensor, w: Tensor) -> Tensor:
    """Returns the convolution of x [N, C, H, W] by w [O, C, 4, 4]: [N, O, H/2, W/2], channels last."""
    o, (c, height, width) = len(w), x.shape[1:]
    if not _suits_winograd(c, height, width):
        return torch.conv2d(x, w, None, 2, 1)
    u = _transform(w).mT
    parts = x.split(_images_a_part(len(x), c, height, width))
    products = (torch.bmm(winograd.v_of_x(part), u) for part in parts)
    return _join([winograd.y_of_m(m, (o, height // 2, width // 2)) for m in products])


def double(y: Tensor, w: Tensor) -> Tensor:
    """Returns the adjoint of `halve` in x: y [N, O, h, w] -> [N, C, 2h, 2w], channels last."""
    c, height, width = w.shape[1], 2 * y.shape[2], 2 * y.shape[3]
    if c <= FEW_CHANNELS:
        return _double_to_few_channels(y, w)
    if not _suits_winograd(c, height, width):
        return grad.conv2d_input((len(y), c, height, width), w, y, stride=2, padding=1)
    u = _transform(w)
    parts = y.split(_images_a_part(len(y), c, height, width))
    products = (torch.bmm(winograd.m_of_y(part), u) for part in parts)
    return _join([winograd.x_of_v(v, (c, height, width)) for v in products])


def weight_gradient(x: Tensor, y: Tensor) -> Tensor:
    """Returns the adjoint of `halve` in w, for x [N, C, H, W] and y [N, O, H/2, W/2]: [O, C, 4, 4]."""
    o, (c, height, width) = y.shape[1], x.shape[1:]
    if not _suits_winograd(c, height, width):
        return grad.conv2d_weight(x, (o, c, 4, 4), y, stride=2, padding=1)
    size = _images_a_part(len(x), c, height, width)
    u = None
    for x_part, y_part in zip(x.split(size), y.split(size), strict=True):
        m, v = winograd.m_of_y(y_part).mT, winograd.v_of_x(x_part)
        u = torch.bmm(m, v) if u is None else u.baddbmm_(m, v)
    return winograd.w_of_u(cast("Tensor", u))


def _suits_winograd(c: int, height: int, width: int) -> bool:
    """Tells whether the wide side [N, C, H, W] has enough channels, and tiles."""
    return c >= WINOGRAD_CHANNELS and not (height % winograd.TILE_PX or width % winograd.TILE_PX)


def _images_a_part(n: int, c: int, height: int, width: int) -> int:
    """Returns into how large parts n images of the wide side [C, H, W] are split."""
    tiles = n * (height // winograd.TILE_PX) * (width // winograd.TILE_PX)
    total = tiles * winograd.PRODUCTS * 4 * c * 4  # bytes of V in float32
    parts = math.ceil(total / WINOGRAD_BYTES)
    return math.ceil(n / parts)


def _join(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _double_to_few_channels(y: Tensor, w: Tensor) -> Tensor:
    """One product for all pixels, then the four overlapping shifts of its parts are added."""
    n, o, height, width = y.shape
    c = w.shape[1]
    taps = w.view(o, c, 2, 2, 2, 2).permute(2, 4, 1, 3, 5, 0).reshape(16 * c, o)  # [v h c p q, O]
    parts = torch.matmul(taps, y.permute(0, 2, 3, 1).reshape(n, -1, o).mT)
    parts = parts.view(n, 2, 2, 4 * c, height, width)
    cells = y.new_zeros(n, 4 * c, height + 1, width + 1)  # 2x2 pixels each, of the padded image
    for i in range(2):
        for j in range(2):
            cells[:, :, i : i + height, j : j + width] += parts[:, i, j]
    return torch.pixel_shuffle(cells, 2)[:, :, 1:-1, 1:-1].contiguous(memory_format=torch.channels_last)

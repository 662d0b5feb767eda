"""A 4x4 convolution of stride 2 in 9 products where 16 are usual.

Over cells of 2x2 pixels such a convolution is one of 2x2 cells with stride 1, and two neighbouring outputs
of that take 3 products instead of 4 along each axis (Winograd 1980; Lavin & Gray 2015, arXiv 1509.09308):

    y0 = d0 g0 + d1 g1 = m0 + m1        m0 = (d0 - d1) g0
    y1 = d1 g0 + d2 g1 = m1 - m2        m1 = d1 (g0 + g1),  m2 = (d1 - d2) g1

The transforms only add, so results differ from the direct sum by no more than rounding does. Each is a
linear map; the transposed convolution and the gradients are made of the same maps and their adjoints:

    x -> V, w -> U, M = V U^T, M -> y

Here x is [N, C, H, W], y [N, O, h, w] with h = H/2, both channels last, and weights are [O, C, 4, 4]. V is
[9, T, 4C], U [9, O, 4C] and M [9, T, O] for T = N h/2 w/2 tiles of 2x2 outputs, the 9 products first.
"""

from __future__ import annotations

import torch
from torch import Tensor


def v_of_x(x: Tensor) -> Tensor:
    """Returns V [9, T, 4C] of images [N, C, H, W], H and W multiples of 4."""
    n, c, height, width = x.shape
    padded = x.new_empty(n, height + 2, width + 2, c)
    for border in (padded[:, 0], padded[:, -1], padded[:, :, 0], padded[:, :, -1]):
        border.zero_()
    padded[:, 1:-1, 1:-1] = x.permute(0, 2, 3, 1)
    d = _cells(padded)
    d0, d1, d2 = d[:, 0:-1:2], d[:, 1::2], d[:, 2::2]
    v = x.new_empty(3, 3, n, height // 4, width // 4, 2, 2 * c)
    for v_row, row in zip(v, (d0 - d1, d1, d1 - d2), strict=True):
        e0, e1, e2 = row[:, :, 0:-1:2], row[:, :, 1::2], row[:, :, 2::2]
        torch.sub(e0, e1, out=v_row[0])
        v_row[1].copy_(e1)
        torch.sub(e1, e2, out=v_row[2])
    return v.view(9, -1, 4 * c)


def x_of_v(v: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Returns the adjoint of `v_of_x`: [N, C, H, W], of which `shape` is C, H, W."""
    c, height, width = shape
    v = v.view(3, 3, -1, height // 4, width // 4, 2, 2 * c)
    n = v.shape[2]
    rows = v.new_empty(3, n, height // 4, width // 2 + 1, 2, 2 * c)
    _spread(v.transpose(0, 1), rows.movedim(3, 0), 3)
    padded = v.new_empty(n, height + 2, width + 2, c)
    _spread(rows, _cells(padded).movedim(1, 0), 1)
    return padded[:, 1:-1, 1:-1].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _cells(padded: Tensor) -> Tensor:
    """Returns a view of padded images [N, H+2, W+2, C] as cells [N, H/2+1, W/2+1, 2, 2C]."""
    n, height, width, c = padded.shape
    return padded.view(n, height // 2, 2, width // 2, 2 * c).permute(0, 1, 3, 2, 4)


def _spread(m: Tensor, d: Tensor, axis: int) -> None:
    """Fills d with what flows back into it along one axis from the three products.

    `m` [3, ...] holds the products, of which `axis` counts the tiles (without the first axis); d [2 tiles +
    1, ...] has that axis in front.
    """
    m0, m1, m2 = (each.movedim(axis, 0) for each in m)
    torch.add(m1, m2, out=d[1::2])
    d[1::2].sub_(m0)
    d[0].copy_(m0[0])
    torch.sub(m0[1:], m2[:-1], out=d[2:-1:2])
    torch.neg(m2[-1], out=d[-1])


def u_of_w(w: Tensor) -> Tensor:
    """Returns U [9, O, 4C] of weights [O, C, 4, 4]."""
    o, c = w.shape[:2]
    g0, g1 = _taps(w.permute(0, 2, 3, 1).contiguous())
    u = w.new_empty(3, 3, o, 2, 2 * c)
    for u_row, row in zip(u, (g0, g0 + g1, g1), strict=True):
        u_row[0].copy_(row[0])
        torch.add(row[0], row[1], out=u_row[1])
        u_row[2].copy_(row[1])
    return u.view(9, o, 4 * c)


def w_of_u(u: Tensor) -> Tensor:
    """Returns the adjoint of `u_of_w`: [O, C, 4, 4]."""
    o, c = u.shape[1], u.shape[2] // 4
    u = u.view(3, 3, o, 2, 2 * c)
    w = u.new_empty(o, 4, 4, c)
    for g, row in zip(_taps(w), (u[0] + u[1], u[1] + u[2]), strict=True):
        torch.add(row[0], row[1], out=g[0])
        torch.add(row[1], row[2], out=g[1])
    return w.permute(0, 3, 1, 2)


def _taps(w: Tensor) -> Tensor:
    """Returns a view of weights [O, 4, 4, C] as taps on cells: [2, 2, O, 2, 2C]."""
    o, _, _, c = w.shape
    return w.view(o, 2, 2, 2, 2 * c).permute(1, 3, 0, 2, 4)


def y_of_m(m: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Returns [N, O, h, w], of which `shape` is O, h, w, from M [9, T, O]."""
    o, height, width = shape
    m = m.view(3, 3, -1, height // 2, width // 2, o)
    n = m.shape[2]
    y = torch.empty((n, *shape), dtype=m.dtype, memory_format=torch.channels_last)
    tiles = _tiles(y)
    for i, row in enumerate((m[0] + m[1], m[1] - m[2])):
        torch.add(row[0], row[1], out=tiles[:, :, i, :, 0])
        torch.sub(row[1], row[2], out=tiles[:, :, i, :, 1])
    return y


def m_of_y(y: Tensor) -> Tensor:
    """Returns the adjoint of `y_of_m`: M [9, T, O]."""
    n, o, height, width = y.shape
    tiles = _tiles(y.contiguous(memory_format=torch.channels_last))
    above, below = tiles[:, :, 0], tiles[:, :, 1]
    m = y.new_empty(3, 3, n, height // 2, width // 2, o)
    for m_row, row in zip(m, (above, above + below, -below), strict=True):
        left, right = row[:, :, :, 0], row[:, :, :, 1]
        m_row[0].copy_(left)
        torch.add(left, right, out=m_row[1])
        torch.neg(right, out=m_row[2])
    return m.view(9, -1, o)


def _tiles(y: Tensor) -> Tensor:
    """Returns a view of images [N, O, h, w], channels last, as tiles [N, h/2, 2, w/2, 2, O]."""
    n, o, height, width = y.shape
    return y.permute(0, 2, 3, 1).view(n, height // 2, 2, width // 2, 2, o)

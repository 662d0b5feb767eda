"""A 4x4 convolution of stride 2 in 25 products where 64 are usual.

Over cells of 2x2 pixels such a convolution is one of 2x2 cells with stride 1, and four neighbouring outputs
of that take 5 products instead of 8 along each axis (Winograd 1980; Lavin & Gray 2015, arXiv 1509.09308).
With the points 0, 1, -1, 2 and infinity:

    y = A [(G g) * (B d)]

    A = 1 1  1 1 0      G =  1/2    0      B = 2 -1 -2  1 0
        0 1 -1 2 0          -1/2 -1/2          0 -2 -1  1 0
        0 1  1 4 0          -1/6  1/6          0  2 -3  1 0
        0 1 -1 8 1           1/6  1/3          0 -1  0  1 0
                               0    1          0  2 -1 -2 1

Results differ from the direct sum by a few times its rounding. Each transform is a linear map; the
transposed convolution and the gradients are made of the same maps and their adjoints:

    x -> V, w -> U, M = V U^T, M -> y

Here x is [N, C, H, W], y [N, O, h, w] with h = H/2, both channels last, and weights are [O, C, 4, 4]. V is
[25, T, 4C], U [25, O, 4C] and M [25, T, O] for T = N h/4 w/4 tiles of 4x4 outputs, the 25 products first.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numba
import numpy as np
import torch
from torch import Tensor

TILE_PX = 8
"""Side of a tile on the wide side: its images' sides must be multiples of it."""
PRODUCTS = 25
"""Of a tile, for each pair of channels."""
_BLOCK = 64
"""Channels that are transformed together: all of a tile's then lie in the fastest cache."""


def v_of_x(x: Tensor) -> Tensor:
    """Returns V [25, T, 4C] of images [N, C, H, W], H and W multiples of 8."""
    n, c, height, width = x.shape
    v = x.new_empty(PRODUCTS, n * (height // 8) * (width // 8), 4 * c)
    _share(_v_of_x, n, _channels_last(x), v)
    return v


def x_of_v(v: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Returns the adjoint of `v_of_x`: [N, C, H, W], of which `shape` is C, H, W."""
    _, height, width = shape
    x = _empty(v, v.shape[1] // ((height // 8) * (width // 8)), shape)
    _share(_x_of_v, len(x), v, _channels_last(x))
    return x


def y_of_m(m: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Returns [N, O, h, w], of which `shape` is O, h, w, from M [25, T, O]."""
    _, height, width = shape
    y = _empty(m, m.shape[1] // ((height // 4) * (width // 4)), shape)
    _share(_y_of_m, len(y), m, _channels_last(y))
    return y


def m_of_y(y: Tensor) -> Tensor:
    """Returns the adjoint of `y_of_m`: M [25, T, O]."""
    n, o, height, width = y.shape
    m = y.new_empty(PRODUCTS, n * (height // 4) * (width // 4), o)
    _share(_m_of_y, n, _channels_last(y), m)
    return m


def u_of_w(w: Tensor) -> Tensor:
    """Returns U [25, O, 4C] of weights [O, C, 4, 4]."""
    o, c = w.shape[:2]
    u = w.new_empty(PRODUCTS, o, 4 * c)
    _share(_u_of_w, o, _channels_last(w), u)
    return u


def w_of_u(u: Tensor) -> Tensor:
    """Returns the adjoint of `u_of_w`: [O, C, 4, 4]."""
    _, o, c4 = u.shape
    w = _empty(u, o, (c4 // 4, 4, 4))
    _share(_w_of_u, o, u, _channels_last(w))
    return w


def _empty(like: Tensor, n: int, shape: tuple[int, int, int]) -> Tensor:
    return torch.empty((n, *shape), dtype=like.dtype, memory_format=torch.channels_last)


def _channels_last(x: Tensor) -> Tensor:
    """Returns [N, H, W, C], contiguous, for [N, C, H, W]: a view where the memory lies so."""
    return x.permute(0, 2, 3, 1).contiguous()


def _share(kernel: Callable[..., None], n: int, *arguments: Tensor) -> None:
    """Calls a kernel for n images or weights, in as many threads as PyTorch uses; each is one thread's."""
    arrays = [argument.detach().numpy() for argument in arguments]
    threads = min(torch.get_num_threads(), n)
    if threads == 1:
        kernel(*arrays, 0, n)
        return
    ends = [n * i // threads for i in range(threads + 1)]
    calls = [_pool(threads - 1).submit(kernel, *arrays, a, b) for a, b in pairwise(ends[1:])]
    kernel(*arrays, 0, ends[1])
    for call in calls:
        call.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="winograd")


# -- kernels: images `first` to `last`, a block of channels of a tile at a time ---------------------


@numba.njit(cache=True, nogil=True)
def _v_of_x(x: np.ndarray, v: np.ndarray, first: int, last: int) -> None:
    height, width, channels = x.shape[1:]
    down, across, c2 = height // 8, width // 8, 2 * channels
    two, three = x.dtype.type(2), x.dtype.type(3)
    band = np.zeros((10, (width + 2) * channels), x.dtype)  # rows of one row of tiles, and a pixel around
    rows = np.empty((5, 5, _BLOCK), x.dtype)
    for n in range(first, last):
        for i in range(down):
            for k in range(10):
                row = 8 * i + k - 1
                inner = band[k, channels : (width + 1) * channels]
                if 0 <= row < height:
                    inner[:] = x[n, row].ravel()
                else:
                    inner[:] = 0
            for j in range(across):
                t, left = (n * down + i) * across + j, 4 * j * c2
                for parity in range(2):
                    for start in range(0, c2, _BLOCK):
                        size, at = min(_BLOCK, c2 - start), parity * c2 + start
                        for k in range(5):
                            line = band[2 * k + parity, left + start :]
                            d0, d1, d2, d3, d4 = (
                                line,
                                line[c2:],
                                line[2 * c2 :],
                                line[3 * c2 :],
                                line[4 * c2 :],
                            )
                            r0, r1, r2, r3, r4 = rows[k, 0], rows[k, 1], rows[k, 2], rows[k, 3], rows[k, 4]
                            for c in range(size):
                                e = d3[c] - d1[c]
                                r0[c] = two * (d0[c] - d2[c]) + e
                                r1[c] = d3[c] - two * d1[c] - d2[c]
                                r2[c] = d3[c] + two * d1[c] - three * d2[c]
                                r3[c] = e
                                r4[c] = d4[c] - d2[c] - two * e
                        for k in range(5):
                            r0, r1, r2, r3, r4 = rows[0, k], rows[1, k], rows[2, k], rows[3, k], rows[4, k]
                            v0, v1, v2 = v[k, t, at:], v[5 + k, t, at:], v[10 + k, t, at:]
                            v3, v4 = v[15 + k, t, at:], v[20 + k, t, at:]
                            for c in range(size):
                                e = r3[c] - r1[c]
                                v0[c] = two * (r0[c] - r2[c]) + e
                                v1[c] = r3[c] - two * r1[c] - r2[c]
                                v2[c] = r3[c] + two * r1[c] - three * r2[c]
                                v3[c] = e
                                v4[c] = r4[c] - r2[c] - two * e


@numba.njit(cache=True, nogil=True)
def _x_of_v(v: np.ndarray, x: np.ndarray, first: int, last: int) -> None:
    height, width, channels = x.shape[1:]
    down, across, c2 = height // 8, width // 8, 2 * channels
    two, three = x.dtype.type(2), x.dtype.type(3)
    band = np.empty((10, (width + 2) * channels), x.dtype)
    rows = np.empty((5, 5, _BLOCK), x.dtype)
    for n in range(first, last):
        band[8:] = 0
        for i in range(down):
            band[:2] = band[8:]  # what the row of tiles above has given to the rows that both share
            band[2:] = 0
            for j in range(across):
                t, left = (n * down + i) * across + j, 4 * j * c2
                for parity in range(2):
                    for start in range(0, c2, _BLOCK):
                        size, at = min(_BLOCK, c2 - start), parity * c2 + start
                        for k in range(5):
                            r0, r1, r2, r3, r4 = rows[0, k], rows[1, k], rows[2, k], rows[3, k], rows[4, k]
                            v0, v1, v2 = v[k, t, at:], v[5 + k, t, at:], v[10 + k, t, at:]
                            v3, v4 = v[15 + k, t, at:], v[20 + k, t, at:]
                            for c in range(size):
                                r0[c] = two * v0[c]
                                r1[c] = two * (v2[c] + v4[c] - v1[c]) - v0[c] - v3[c]
                                r2[c] = -two * v0[c] - v1[c] - three * v2[c] - v4[c]
                                r3[c] = v0[c] + v1[c] + v2[c] + v3[c] - two * v4[c]
                                r4[c] = v4[c]
                        for k in range(5):
                            line = band[2 * k + parity, left + start :]
                            d0, d1, d2, d3, d4 = (
                                line,
                                line[c2:],
                                line[2 * c2 :],
                                line[3 * c2 :],
                                line[4 * c2 :],
                            )
                            r0, r1, r2, r3, r4 = rows[k, 0], rows[k, 1], rows[k, 2], rows[k, 3], rows[k, 4]
                            for c in range(size):
                                d0[c] += two * r0[c]
                                d1[c] += two * (r2[c] + r4[c] - r1[c]) - r0[c] - r3[c]
                                d2[c] += -two * r0[c] - r1[c] - three * r2[c] - r4[c]
                                d3[c] += r0[c] + r1[c] + r2[c] + r3[c] - two * r4[c]
                                d4[c] += r4[c]
            for k in range(9 if i == down - 1 else 8):
                row = 8 * i + k - 1
                if row >= 0:
                    x[n, row] = band[k, channels : (width + 1) * channels].reshape(width, channels)


@numba.njit(cache=True, nogil=True)
def _y_of_m(m: np.ndarray, y: np.ndarray, first: int, last: int) -> None:
    down, across, channels = y.shape[1] // 4, y.shape[2] // 4, y.shape[3]
    two, four, eight = y.dtype.type(2), y.dtype.type(4), y.dtype.type(8)
    rows = np.empty((4, 5, _BLOCK), y.dtype)
    for n in range(first, last):
        for tile in range(down * across):
            t = n * down * across + tile
            top, left = 4 * (tile // across), 4 * (tile % across)
            for at in range(0, channels, _BLOCK):
                size = min(_BLOCK, channels - at)
                for j in range(5):
                    m0, m1, m2 = m[j, t, at:], m[5 + j, t, at:], m[10 + j, t, at:]
                    m3, m4 = m[15 + j, t, at:], m[20 + j, t, at:]
                    r0, r1, r2, r3 = rows[0, j], rows[1, j], rows[2, j], rows[3, j]
                    for c in range(size):
                        s, d = m1[c] + m2[c], m1[c] - m2[c]
                        r0[c] = m0[c] + s + m3[c]
                        r1[c] = d + two * m3[c]
                        r2[c] = s + four * m3[c]
                        r3[c] = d + eight * m3[c] + m4[c]
                for i in range(4):
                    m0, m1, m2, m3, m4 = rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3], rows[i, 4]
                    y0, y1, y2, y3 = (
                        y[n, top + i, left, at:], y[n, top + i, left + 1, at:],
                        y[n, top + i, left + 2, at:], y[n, top + i, left + 3, at:],
                    )  # fmt: skip
                    for c in range(size):
                        s, d = m1[c] + m2[c], m1[c] - m2[c]
                        y0[c] = m0[c] + s + m3[c]
                        y1[c] = d + two * m3[c]
                        y2[c] = s + four * m3[c]
                        y3[c] = d + eight * m3[c] + m4[c]


@numba.njit(cache=True, nogil=True)
def _m_of_y(y: np.ndarray, m: np.ndarray, first: int, last: int) -> None:
    down, across, channels = y.shape[1] // 4, y.shape[2] // 4, y.shape[3]
    two, four, eight = y.dtype.type(2), y.dtype.type(4), y.dtype.type(8)
    rows = np.empty((4, 5, _BLOCK), y.dtype)
    for n in range(first, last):
        for tile in range(down * across):
            t = n * down * across + tile
            top, left = 4 * (tile // across), 4 * (tile % across)
            for at in range(0, channels, _BLOCK):
                size = min(_BLOCK, channels - at)
                for i in range(4):
                    y0, y1, y2, y3 = (
                        y[n, top + i, left, at:], y[n, top + i, left + 1, at:],
                        y[n, top + i, left + 2, at:], y[n, top + i, left + 3, at:],
                    )  # fmt: skip
                    r0, r1, r2, r3, r4 = rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3], rows[i, 4]
                    for c in range(size):
                        even, odd = y0[c] + y2[c], y1[c] + y3[c]
                        r0[c] = y0[c]
                        r1[c] = even + odd
                        r2[c] = even - odd
                        r3[c] = y0[c] + two * y1[c] + four * y2[c] + eight * y3[c]
                        r4[c] = y3[c]
                for j in range(5):
                    y0, y1, y2, y3 = rows[0, j], rows[1, j], rows[2, j], rows[3, j]
                    m0, m1, m2 = m[j, t, at:], m[5 + j, t, at:], m[10 + j, t, at:]
                    m3, m4 = m[15 + j, t, at:], m[20 + j, t, at:]
                    for c in range(size):
                        even, odd = y0[c] + y2[c], y1[c] + y3[c]
                        m0[c] = y0[c]
                        m1[c] = even + odd
                        m2[c] = even - odd
                        m3[c] = y0[c] + two * y1[c] + four * y2[c] + eight * y3[c]
                        m4[c] = y3[c]


@numba.njit(cache=True, nogil=True)
def _u_of_w(w: np.ndarray, u: np.ndarray, first: int, last: int) -> None:
    c2 = 2 * w.shape[3]
    half, sixth = w.dtype.type(1 / 2), w.dtype.type(1 / 6)
    columns = np.empty((2, 5, c2), w.dtype)
    for o in range(first, last):
        for parity in range(2):
            for a in range(2):
                line = w[o, 2 * a + parity].ravel()
                g0, g1 = line[:c2], line[c2:]
                u0, u1, u2 = columns[a, 0], columns[a, 1], columns[a, 2]
                u3, u4 = columns[a, 3], columns[a, 4]
                for c in range(c2):
                    u0[c] = half * g0[c]
                    u1[c] = -half * (g0[c] + g1[c])
                    u2[c] = sixth * (g1[c] - g0[c])
                    u3[c] = sixth * (g0[c] + g1[c] + g1[c])
                    u4[c] = g1[c]
            at = parity * c2
            for k in range(5):
                g0, g1 = columns[0, k], columns[1, k]
                u0, u1, u2 = u[k, o, at:], u[5 + k, o, at:], u[10 + k, o, at:]
                u3, u4 = u[15 + k, o, at:], u[20 + k, o, at:]
                for c in range(c2):
                    u0[c] = half * g0[c]
                    u1[c] = -half * (g0[c] + g1[c])
                    u2[c] = sixth * (g1[c] - g0[c])
                    u3[c] = sixth * (g0[c] + g1[c] + g1[c])
                    u4[c] = g1[c]


@numba.njit(cache=True, nogil=True)
def _w_of_u(u: np.ndarray, w: np.ndarray, first: int, last: int) -> None:
    c2 = 2 * w.shape[3]
    half, sixth = w.dtype.type(1 / 2), w.dtype.type(1 / 6)
    columns = np.empty((2, 5, c2), w.dtype)
    for o in range(first, last):
        for parity in range(2):
            at = parity * c2
            for k in range(5):
                u0, u1, u2 = u[k, o, at:], u[5 + k, o, at:], u[10 + k, o, at:]
                u3, u4 = u[15 + k, o, at:], u[20 + k, o, at:]
                g0, g1 = columns[0, k], columns[1, k]
                for c in range(c2):
                    g0[c] = half * (u0[c] - u1[c]) + sixth * (u3[c] - u2[c])
                    g1[c] = sixth * (u2[c] + u3[c] + u3[c]) - half * u1[c] + u4[c]
            for a in range(2):
                u0, u1, u2 = columns[a, 0], columns[a, 1], columns[a, 2]
                u3, u4 = columns[a, 3], columns[a, 4]
                line = w[o, 2 * a + parity].ravel()
                g0, g1 = line[:c2], line[c2:]
                for c in range(c2):
                    g0[c] = half * (u0[c] - u1[c]) + sixth * (u3[c] - u2[c])
                    g1[c] = sixth * (u2[c] + u3[c] + u3[c]) - half * u1[c] + u4[c]

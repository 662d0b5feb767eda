"""The noise contract `philox-box-muller-1`: from a seed to a latent vector and a label.

docs/noise.md states it for any language. Only the raw words of Philox are taken from NumPy: its normal
distribution may change between versions, the raw words may not.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "philox-box-muller-1"
MAX_SEED = 2**64 - 1

_GRID = 2.0**-16  # steps that swallow the last-bit differences between mathematical libraries


def latents(seeds: Sequence[int], z_dim: int) -> NDArray[np.float32]:
    """Returns the latent vectors of images, standard normal.

    Args:
        seeds: One seed an image, each 0..MAX_SEED.
        z_dim: Length of a latent vector, at least 1.

    Returns:
        float32 [N, z_dim]; row i depends on seeds[i] alone.
    """
    pairs = -(-z_dim // 2)
    words = np.empty((len(seeds), 2 * pairs), np.uint64)
    for row, seed in zip(words, seeds, strict=True):
        row[:] = _philox.words(seed, 2 * pairs)
    uniform = (words >> np.uint64(11)).astype(np.float64)
    uniform += 0.5
    uniform *= 2.0**-53
    radius = np.log(uniform[:, 0::2])
    radius *= -2
    np.sqrt(radius, out=radius)
    angle = uniform[:, 1::2] * (2 * np.pi)
    normal = np.empty((len(seeds), 2 * pairs))
    np.multiply(radius, np.cos(angle), out=normal[:, 0::2])
    np.multiply(radius, np.sin(angle), out=normal[:, 1::2])
    return _on_grid(normal[:, :z_dim])


def truncated(z: NDArray[np.float32], truncation: float) -> NDArray[np.float32]:
    """Returns latent vectors [N, z_dim] times a truncation, multiplied in float64, rounded once."""
    return z if truncation == 1 else (z * np.float64(truncation)).astype(np.float32)


def between(
    start: NDArray[np.float32], end: NDArray[np.float32], positions: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Returns latent vectors on the way from one to another, along the great circle.

    Spherical interpolation (Shoemake 1985; for latent vectors White 2016, arXiv 1609.04468): on a straight
    line the vectors in the middle would be shorter than any that the generator was trained on.

    Args:
        start: Where position 0 is, float32 [z_dim], from `latents`.
        end: Where position 1 is, float32 [z_dim], from `latents`.
        positions: float64 [N], 0..1.

    Returns:
        float32 [N, z_dim].
    """
    a, b, t = start.astype(np.float64), end.astype(np.float64), positions[:, None]
    # Sums of multiples of 2^-32 are exact in any order, so nothing depends on how they are added up.
    norms = np.sqrt((a @ a) * (b @ b))
    angle = np.arccos(np.clip((a @ b) / norms, -1, 1)) if norms else np.float64(0)
    if np.sin(angle) < _GRID:  # the same direction, or the opposite one: there is no circle
        return _on_grid((1 - t) * a + t * b)
    return _on_grid((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle))


def drawn_label_index(seed: int, n_labels: int) -> int:
    """Returns the index of the label that an image without a given one has, 0..n_labels - 1."""
    return (int(_philox.words(seed, 1, block=1)[0]) * n_labels) >> 64


def _on_grid(values: NDArray[np.float64]) -> NDArray[np.float32]:
    values *= 1 / _GRID
    np.rint(values, out=values)
    values *= _GRID
    return values.astype(np.float32)


class _Philox(threading.local):
    """One generator a thread, set to each seed: making one costs several times as much."""

    def __init__(self) -> None:
        self._bits = np.random.Philox(key=0)
        self._state: Any = self._bits.state

    def words(self, seed: int, count: int, *, block: int = 0) -> NDArray[np.uint64]:
        """Returns the words of the blocks with counters (1, block, 0, 0), (2, block, 0, 0), ..."""
        self._state["state"]["key"][0] = seed
        self._state["state"]["counter"][1] = block  # NumPy counts word 0 up before the first block
        self._bits.state = self._state
        return self._bits.random_raw(count)


_philox = _Philox()

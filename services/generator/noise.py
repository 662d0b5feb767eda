"""The noise contract `philox-box-muller-1`: from a seed to a latent vector and a label.

docs/noise.md states it for any language. Only the raw words of Philox are taken from NumPy: its normal
distribution may change between versions, the raw words may not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NAME = "philox-box-muller-1"
MAX_SEED = 2**64 - 1

_LABEL_COUNTER = 1 << 64  # counter words (0, 1, 0, 0); NumPy counts up before the first block


def latents(seeds: Sequence[int], z_dim: int) -> NDArray[np.float32]:
    """Returns the latent vectors of images, standard normal.

    Args:
        seeds: One seed an image, each 0..MAX_SEED.
        z_dim: Length of a latent vector, at least 1.

    Returns:
        float32 [N, z_dim]; row i depends on seeds[i] alone.
    """
    pairs = -(-z_dim // 2)
    words = np.stack([_bits(seed).random_raw(2 * pairs) for seed in seeds])
    uniform = ((words >> np.uint64(11)) + 0.5) * 2.0**-53
    radius = np.sqrt(-2 * np.log(uniform[:, 0::2]))
    angle = 2 * np.pi * uniform[:, 1::2]
    normal = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(len(words), -1)
    # Steps of 2^-16 swallow the last-bit differences between mathematical libraries.
    return (np.rint(normal[:, :z_dim] * 2.0**16) * 2.0**-16).astype(np.float32)


def truncated(z: NDArray[np.float32], truncations: Sequence[float]) -> NDArray[np.float32]:
    """Returns latent vectors [N, z_dim] times their truncations [N], multiplied in float64, rounded once."""
    return (z * np.asarray(truncations, np.float64)[:, None]).astype(np.float32)


def drawn_label_index(seed: int, n_labels: int) -> int:
    """Returns the index of the label that an image without a given one has, 0..n_labels - 1."""
    word = int(_bits(seed, _LABEL_COUNTER).random_raw())
    return (word * n_labels) >> 64


def _bits(seed: int, counter: int = 0) -> np.random.Philox:
    return np.random.Philox(key=seed, counter=counter)

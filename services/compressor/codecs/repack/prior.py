"""What the model knows before the first coefficient: models and weights learnt from photographs.

`prior.xz` is an XZ stream of three arrays: the lower bytes of one 16-bit number a model, their upper bytes,
then two bytes (little-endian, signed) a weight. A model's number is its probability of a 1 in 10 bits, times
4, plus a class of how much it had seen; 65535 is a model that had seen less than 3 bits. A weight's number is
the weight over 256.
"""

from __future__ import annotations

import lzma
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

PATH = Path(__file__).parent / "prior.xz"
_COUNTS = np.array([3, 12, 40, 80], np.int32)
"""Observations that each class stands for; few enough to follow another kind of image."""
_NEW = 1 << 30
_UNSEEN = 0xFFFF

Trained = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]
"""Models and weights, int32, both in one dimension."""


def write(models: npt.NDArray[np.int32], weights: npt.NDArray[np.int32]) -> None:
    """Keeps a state as the prior."""
    counts = models & 511
    classes = np.searchsorted([8, 32, 128], counts, side="right")
    numbers = np.where(counts < 3, _UNSEEN, models >> 21 << 2 | classes).astype("<u2").tobytes()
    plain = numbers[::2] + numbers[1::2] + (weights >> 8).astype("<i2").tobytes()
    PATH.write_bytes(lzma.compress(plain, preset=9 | lzma.PRESET_EXTREME))


@lru_cache(maxsize=1)
def read(model_count: int) -> Trained:
    """Returns models and weights of the prior, not to be changed."""
    plain = lzma.decompress(PATH.read_bytes())
    low = np.frombuffer(plain, np.uint8, model_count).astype(np.int32)
    number = low | np.frombuffer(plain, np.uint8, model_count, model_count).astype(np.int32) << 8
    chances = (number >> 2) << 12 | 1 << 11
    models = np.where(number == _UNSEEN, _NEW, chances << 9 | _COUNTS[number & 3]).astype(np.int32)
    weights = np.frombuffer(plain, "<i2", offset=2 * model_count).astype(np.int32) << 8
    models.flags.writeable = weights.flags.writeable = False
    return models, weights

"""Adaptive models of a bit: a probability and the number of observations behind it, in one int32.

The upper 22 bits are the probability of a 1, the lower 9 the count. The rate of learning falls with the
count, so that a new context learns at once and an old one follows slowly.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding.coder import Buffer, Coder, code_bit
from services.compressor.codecs.coding.compiled import lean
from services.compressor.codecs.coding.tables import MAX_COUNT, RATES

Models = npt.NDArray[np.int32]
"""A model in each entry."""

COUNT_BITS = 9
_ONE = (1 << 22) - 1


def new_models(count: int) -> Models:
    """Returns models that know nothing: even chances."""
    return np.full(count, 1 << 30, np.int32)


@lean
def probability(models: Models, index: int) -> int:
    """Returns a model's 12-bit probability of a 1, 0..4095."""
    return int(np.int64(models[index]) >> 19)


@lean
def update(models: Models, index: int, bit: int, limit: int) -> None:
    """Moves a model towards the bit that came; `limit` (at most 511) bounds its count, hence its inertia."""
    state = np.int64(models[index])
    count = state & MAX_COUNT
    chance = state >> COUNT_BITS
    chance += (bit * _ONE - chance) * RATES[count] >> 16
    if count < limit:
        count += 1
    models[index] = chance << COUNT_BITS | count


@lean
def code_adaptive(coder: Coder, buffer: Buffer, bit: int, models: Models, index: int, limit: int) -> int:
    """Codes one bit by a single model, teaches the model and returns the bit."""
    chance = int(np.int64(models[index]) >> 15)
    bit = code_bit(coder, buffer, bit, min(max(chance, 32), 65535 - 32))
    update(models, index, bit, limit)
    return bit

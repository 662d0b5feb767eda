"""A logistic mixer: the models' logits, weighted and added; the weights learn by gradient descent.

Weights are int32 with 16 fractional bits. There are several sets of them, of which each bit selects one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding.coder import Buffer, Coder, code_bit
from services.compressor.codecs.coding.compiled import lean
from services.compressor.codecs.coding.models import Models, update
from services.compressor.codecs.coding.tables import LOGIT_LIMIT, SQUASH, STRETCH

Weights = npt.NDArray[np.int32]
"""int32 [sets, inputs], 16 fractional bits."""

Votes = npt.NDArray[np.int32]
"""Logits of the models, in units of 2^-8."""

_MAX_WEIGHT = 1 << 20


def new_weights(sets: int, inputs: int) -> Weights:
    """Returns weights that trust every input alike and a little more than their mean."""
    return np.full((sets, inputs), round(65536 * min(1.0, 1.6 / inputs)), np.int32)


@lean
def mix(votes: Votes, weights: Weights, selected: int) -> int:
    """Returns the 16-bit probability of a 1 that the logits in `votes` give under one set of weights."""
    total = np.int64(0)
    for i in range(votes.shape[0]):
        total += np.int64(votes[i]) * np.int64(weights[selected, i])
    logit = min(max(total >> 16, -LOGIT_LIMIT), LOGIT_LIMIT)
    return int(SQUASH[logit + 2048])


@lean
def train(votes: Votes, weights: Weights, selected: int, bit: int, chance: int, rate: int) -> None:
    """Moves a set of weights to where the bit would have cost less; `rate` is the step in units of 2^-12."""
    error = ((bit << 16) - chance) * rate
    for i in range(votes.shape[0]):
        weight = np.int64(weights[selected, i]) + ((np.int64(votes[i]) * error + (1 << 19)) >> 20)
        weights[selected, i] = min(max(weight, -_MAX_WEIGHT), _MAX_WEIGHT)


@lean
def code_mixed(
    coder: Coder,
    buffer: Buffer,
    bit: int,
    models: Models,
    contexts: npt.NDArray[np.int64],
    votes: Votes,
    weights: Weights,
    selected: int,
    limit: int,
    rate: int,
) -> int:
    """Codes one bit by several models, teaches them and the mixer, and returns the bit.

    Args:
        coder: State of the range coder.
        buffer: uint8 array that is written to or read from.
        bit: 0 or 1; a decoder ignores it.
        models: Models of all contexts.
        contexts: int64 [inputs]: which models vote. The caller keeps them inside of `models`.
        votes: int32 [inputs], room for their logits.
        weights: int32 [sets, inputs].
        selected: Which set of weights.
        limit: Bound of the models' counts, at most 511: 127 follows changes, 511 settles.
        rate: Step of the weights in units of 2^-12; 6 to 40 are usual.
    """
    for i in range(contexts.shape[0]):
        votes[i] = STRETCH[np.int64(models[contexts[i]]) >> 19]
    chance = mix(votes, weights, selected)
    bit = code_bit(coder, buffer, bit, chance)
    train(votes, weights, selected, bit, chance, rate)
    for i in range(contexts.shape[0]):
        update(models, contexts[i], bit, limit)
    return bit

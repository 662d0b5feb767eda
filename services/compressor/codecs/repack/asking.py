"""How the model codes bits and magnitudes."""

from __future__ import annotations

import numpy as np

from services.compressor.codecs.coding import SQUASH, STRETCH, code_adaptive, code_bit, compiled, update
from services.compressor.codecs.repack.space import INPUTS, LOW_BITS, STEPS, Coding, Weights
from services.compressor.codecs.repack.tables import Whole

LONGEST = 17
"""Most bits of a magnitude that tell its size: it is at most 2^16."""
_LIMIT = 255  # of the models' counts
_RATE = 20  # step of the weights in units of 2^-12
_CONSTANT = 256  # the constant vote
_MAX_WEIGHT = 1 << 20
_MAX_LOGIT = 2047


@compiled
def ask(coding: Coding, bit: int, inputs: int, first_set: int, second_set: int) -> int:
    """Codes one bit by the models in `coding.contexts[:inputs]` and returns it.

    Two sets of weights are added, chosen by different properties of the bit; both learn from it.
    """
    models, weights, contexts, votes = coding.models, coding.weights, coding.contexts, coding.votes
    constant = INPUTS - 1
    total = _CONSTANT * (np.int64(weights[first_set, constant]) + np.int64(weights[second_set, constant]))
    for i in range(inputs):
        vote = np.int64(STRETCH[np.int64(models[contexts[i]]) >> 19])
        votes[i] = vote
        total += vote * (np.int64(weights[first_set, i]) + np.int64(weights[second_set, i]))
    chance = int(np.int64(SQUASH[min(max(total >> 16, -_MAX_LOGIT), _MAX_LOGIT) + 2048]))
    bit = code_bit(coding.coder, coding.buffer, bit, chance)
    error = ((bit << 16) - chance) * _RATE
    _learn(weights, first_set, second_set, constant, _CONSTANT * error)
    for i in range(inputs):
        _learn(weights, first_set, second_set, i, votes[i] * error)
        update(models, contexts[i], bit, _LIMIT)
    return bit


@compiled
def _learn(weights: Weights, first_set: int, second_set: int, i: int, change: int) -> None:
    step = (change + (1 << 19)) >> 20
    first = np.int64(weights[first_set, i]) + step
    second = np.int64(weights[second_set, i]) + step
    weights[first_set, i] = min(max(first, -_MAX_WEIGHT), _MAX_WEIGHT)
    weights[second_set, i] = min(max(second, -_MAX_WEIGHT), _MAX_WEIGHT)


@compiled
def code_magnitude(
    coding: Coding, magnitude: Whole, inputs: int, first_set: int, second_set: int, kind_and_band: int
) -> Whole:
    """Codes a magnitude, 0 to 2^16, and returns it.

    Bits ask whether it is above 0, 1, 2, 4, 8 and so on until one says no; then the lower bits follow. Each
    of the contexts is the first of STEPS models, one a question. The sets of weights come in pairs: the
    first question's and that of all others.
    """
    contexts = coding.contexts
    step = 0
    while step < LONGEST:
        bound = 1 << step >> 1
        others = 1 if step else 0
        if not ask(coding, 1 if magnitude > bound else 0, inputs, first_set + others, second_set + others):
            break
        step += 1
        if step < STEPS:
            for i in range(inputs):
                contexts[i] += 1
    if step <= 2:
        return step
    least = (1 << (step - 2)) + 1
    rest = magnitude - least
    low = 0
    node = 1
    for i in range(step - 3, -1, -1):
        index = LOW_BITS + (kind_and_band * 18 + step) * 16 + node
        bit = code_adaptive(coding.coder, coding.buffer, int(rest >> i & 1), coding.models, index, _LIMIT)
        low = low << 1 | bit
        node = min(node << 1 | bit, 15)
    return least + low

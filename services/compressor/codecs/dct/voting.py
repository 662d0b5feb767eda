"""Bits and magnitudes of the coefficients' coder, voted by several models."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import SQUASH, STRETCH, code_adaptive, code_bit, inner
from services.compressor.codecs.coding.tables import RATES
from services.compressor.codecs.dct.contexts import BASES, DECISIONS, VOTERS

ESCAPE = BASES["escape"]
LIMIT = 255
"""Of a model's count."""
RATE = 14
"""Of the mixer, in units of 2^-12."""
MAX_WEIGHT = 1 << 20
UNARY = 14
"""Magnitudes from here on have an escape code."""


class Coding(NamedTuple):
    """All that changes while bits are coded."""

    coder: npt.NDArray[np.int64]
    """State of the range coder."""
    buffer: npt.NDArray[np.uint8]
    """What it writes to or reads from."""
    models: npt.NDArray[np.int32]
    """One for each context and decision."""
    weights: npt.NDArray[np.int32]
    """8 for each set of the mixer."""
    contexts: npt.NDArray[np.uint64]
    """[VOTERS]: which models vote; unsigned, so that Numba need not ask for negative indices."""
    votes: npt.NDArray[np.int32]
    """[VOTERS]: room for their logits."""


def new_coding(coder: Any, buffer: Any, models: Any, weights: Any) -> Coding:
    """Returns the state of a coder with these models."""
    return Coding(coder, buffer, models, weights, np.zeros(VOTERS, np.uint64), np.zeros(VOTERS, np.int32))


@inner
def code_rest(coding: Any, value: Any, first: Any) -> Any:
    """Codes a number by an Elias gamma code, the length by the adaptive models from `first` on."""
    rest = value + 1
    length = np.int64(0)
    while length < 20:
        more: Any = np.int64(rest >> (length + 1) != 0)
        if code_adaptive(coding.coder, coding.buffer, more, coding.models, first + length, 255) == 0:
            break
        length += 1
    decoded = np.int64(1)
    for i in range(length):
        bit = rest >> (length - 1 - i) & 1
        decoded = decoded << 1 | code_bit(coding.coder, coding.buffer, bit, 32768)
    return decoded - 1


def voting(voters: int) -> tuple[Any, Any]:
    """Returns `vote` and `code_magnitude` for so many models; a fixed number unrolls their loops."""

    @inner
    def vote(coding: Any, bit: Any, selected: Any) -> Any:
        """Codes one bit by the first contexts; like `coding.code_mixed`, 8 weights a set."""
        models, weights, contexts, votes = coding.models, coding.weights, coding.contexts, coding.votes
        total = np.int64(0)
        base = np.uint64(selected * 8)
        for i in range(voters):
            votes[i] = STRETCH[np.uint32(models[contexts[i]]) >> np.uint32(19)]
            total += np.int64(votes[i]) * np.int64(weights[base + np.uint64(i)])
        chance: Any = np.int64(SQUASH[min(max(total >> 16, -2047), 2047) + 2048])
        bit = code_bit(coding.coder, coding.buffer, bit, chance)
        error = ((bit << 16) - chance) * RATE
        target = bit * 4194303
        for i in range(voters):
            weight = np.int64(weights[base + np.uint64(i)]) + ((np.int64(votes[i]) * error + (1 << 19)) >> 20)
            weights[base + np.uint64(i)] = min(max(weight, -MAX_WEIGHT), MAX_WEIGHT)
            state = np.int64(models[contexts[i]])
            count = state & 511
            probability = state >> 9
            probability += (target - probability) * RATES[np.uint64(count)] >> 16
            if count < LIMIT:
                count += 1
            models[contexts[i]] = probability << 9 | count
        return bit

    @inner
    def code_magnitude(coding: Any, value: Any, selected: Any, plane_class: Any) -> Any:
        """Codes a magnitude as "is it larger than 0, than 1, ..." and returns it; changes `contexts`."""
        decisions = np.int64(0)
        while decisions < UNARY:
            step = min(decisions, DECISIONS - 1)
            if vote(coding, np.int64(value > decisions), selected + 3 * step) == 0:
                return decisions
            if decisions < DECISIONS - 1:
                for i in range(voters):
                    coding.contexts[i] += np.uint64(1)
            decisions += 1
        return UNARY + code_rest(coding, value - UNARY, ESCAPE + plane_class * 32)

    return vote, code_magnitude


vote_1, _ = voting(1)
vote_3, code_magnitude_3 = voting(3)
vote_4, _ = voting(4)
_, code_magnitude_8 = voting(VOTERS)

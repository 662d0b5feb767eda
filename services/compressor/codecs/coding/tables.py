"""Tables of the logistic function and of learning rates; made with exact integers on every machine."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt

LOGIT_BITS = 8
"""Fractional bits of a logit, ln(p / (1 - p))."""
LOGIT_LIMIT = 2047
"""Largest logit, in units of 2^-LOGIT_BITS: just under 8."""
MAX_COUNT = 511
"""Largest number of observations that a model counts."""


def _squash_table() -> npt.NDArray[np.int32]:
    """Returns 65536 / (1 + exp(-x)), rounded, for the logits x from -2048 to 2047 in units of 2^-8.

    Decimal arithmetic is the same everywhere; the C library's exp is not.
    """
    with localcontext() as context:
        context.prec = 30
        ratio = (Decimal(1) / 256).exp()
        power = (Decimal(-8)).exp()  # exp(x), by repeated multiplication
        values: list[int] = []
        for _ in range(4096):
            values.append(int((65536 * power / (1 + power)).to_integral_value()))
            power *= ratio
    return np.array(values, np.int32)


def _stretch_table(squash: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Returns the logit whose probability is the first not below (i + 1/2) / 4096, for i from 0 to 4095."""
    middles = 16 * np.arange(4096) + 8
    logits = np.searchsorted(squash, middles) - 2048
    return np.clip(logits, -LOGIT_LIMIT, LOGIT_LIMIT).astype(np.int32)


def _rate_table() -> npt.NDArray[np.int32]:
    """Returns 65536 / (n + 1.6), rounded down, for n observations: the weight of the next one."""
    return np.array([655360 // (10 * n + 16) for n in range(MAX_COUNT + 1)], np.int32)


def _cost_table() -> npt.NDArray[np.int32]:
    """Returns -log2(p) in units of 1/4096 bit for the probabilities (i + 1/2) / 4096."""
    probability: Any = (np.arange(4096) + 0.5) / 4096
    return np.asarray(np.round(-np.log2(probability) * 4096), np.int32)


SQUASH = _squash_table()
"""int32 [4096]: 16-bit probability of the logit i - 2048."""
STRETCH = _stretch_table(SQUASH)
"""int32 [4096]: logit of the 12-bit probability i."""
RATES = _rate_table()
"""int32 [512]: 16-bit learning rate of a model after n observations."""
COSTS = _cost_table()
"""int32 [4096]: bits that an event of the 12-bit probability i costs, times 4096; for estimates only."""

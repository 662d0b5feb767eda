"""The adaptive state of the coefficients' model: which models and which mixer weights there are."""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import new_models
from services.compressor.codecs.repack import prior

INPUTS = 9
"""Most models that vote on a bit, and one constant vote."""
STEPS = 16
"""Bits of a magnitude that have models of their own in each context."""
KINDS = 2
"""Components with the quantisation table of the first one, and others."""
BANDS = 8
"""Pairs of diagonals."""

_COEFFICIENTS = KINDS * 64
_SIZES = (
    # Alternating coefficients: zero or not, and magnitude.
    _COEFFICIENTS * 16 * STEPS,  # last diagonal
    _COEFFICIENTS * 16 * STEPS,  # higher frequencies of the block
    _COEFFICIENTS * 16 * STEPS,  # neighbouring blocks
    KINDS * BANDS * 16 * 16 * STEPS,  # both
    _COEFFICIENTS * 16 * STEPS,  # prediction from the edges
    _COEFFICIENTS * 16 * STEPS,  # other components
    KINDS * 16 * 16 * 8 * STEPS,  # last diagonal, diagonal, number of coefficients so far
    _COEFFICIENTS * 81 * STEPS,  # four neighbours one by one
    # Their signs.
    _COEFFICIENTS * 81,  # predictions from the upper and the left edge
    _COEFFICIENTS * 32,  # prediction from both
    _COEFFICIENTS * 27,  # left and upper block, component before
    _COEFFICIENTS * 27,  # two neighbours in the block, component before
    _COEFFICIENTS * 81,  # other components, predictions
    # DC coefficients: what the prediction leaves.
    KINDS * 16 * STEPS,  # spread of the predictions
    KINDS * 16 * STEPS,  # what it left in the neighbours
    KINDS * 16 * 16 * STEPS,  # last diagonal, spread
    KINDS * 16 * 16 * STEPS,  # what it left in other components, spread
    KINDS * 8 * 16 * STEPS,  # fraction of the prediction, spread
    KINDS * 16 * 16 * STEPS,  # gap between the predictions of the two edges, spread
    KINDS * 16 * 16 * STEPS,  # what it left in the neighbours, spread
    # Its sign.
    KINDS * 16 * 16,  # spread, fraction
    KINDS * 27,  # signs of what was left in the neighbours and the component before
    KINDS * 32,  # what was left in the component before
    KINDS * 32,  # what was left in the first component
    # Last diagonal of a block, by node of a tree of four bits.
    KINDS * 16 * 32,  # sum of the left and upper block's
    KINDS * 16 * 256,  # both
    KINDS * 16 * 128,  # four neighbours'
    KINDS * 16 * 256,  # other components'
    KINDS * 16 * 256,  # neighbours' magnitudes
    KINDS * 16 * 256,  # most of other components', neighbours'
    # Lower bits of magnitudes, by band.
    KINDS * (1 + BANDS) * 18 * 16,
)
_STARTS = (0, *accumulate(_SIZES))
AC = _STARTS[0:8]
"""Where the models of alternating coefficients' magnitudes begin, one for each input."""
AC_SIGN = _STARTS[8:13]
"""Where those of their signs begin."""
DC = _STARTS[13:20]
"""Where those of DC coefficients' magnitudes begin."""
DC_SIGN = _STARTS[20:24]
"""Where those of their signs begin."""
DIAGONAL = _STARTS[24:30]
"""Where those of blocks' last diagonals begin."""
LOW_BITS = _STARTS[30]
"""Where those of magnitudes' lower bits begin."""
MODELS = _STARTS[31]
"""Number of all models."""

_SET_SIZES = (
    2 * _COEFFICIENTS,  # by coefficient
    2 * KINDS * 16 * 16,  # by levels in the block and around it
    _COEFFICIENTS,  # signs by coefficient
    KINDS * 16,  # by level of the prediction
    2 * KINDS,  # DC coefficients
    2 * KINDS * 16,  # by spread
    KINDS,  # their signs
    1,
    KINDS * 16,  # last diagonals by node
    KINDS,
)
_SET_STARTS = (0, *accumulate(_SET_SIZES))
SETS_AC, SETS_AC_LEVELS, SETS_SIGN, SETS_SIGN_LEVELS = _SET_STARTS[:4]
SETS_DC, SETS_DC_SPREAD, SETS_DC_SIGN, SETS_DC_ALL, SETS_DIAGONAL, SETS_DIAGONAL_ALL, SETS = _SET_STARTS[4:]
"""Where the sets of mixer weights begin; two are added for each bit. SETS is their number."""

_FIRST_WEIGHT = round(0.08 * 65536)


Weights = npt.NDArray[np.int32]
"""Mixer weights, int32 [SETS, INPUTS]."""


class Coding(NamedTuple):
    """All that changes while coefficients are coded."""

    coder: npt.NDArray[np.int64]
    """State of the range coder."""
    buffer: npt.NDArray[np.uint8]
    """What it writes to or reads from."""
    models: npt.NDArray[np.int32]
    """Models, int32 [MODELS]."""
    weights: Weights
    """Mixer weights, int32 [SETS, INPUTS], 16 fractional bits; the last input is the constant vote."""
    contexts: npt.NDArray[np.int64]
    """Which models vote on the next bit, int64 [INPUTS]."""
    votes: npt.NDArray[np.int64]
    """Their votes, int64 [INPUTS]."""


def new_coding(coder: npt.NDArray[np.int64], buffer: npt.NDArray[np.uint8], *, is_trained: bool) -> Coding:
    """Returns the state before the first coefficient: the prior, or one that knows nothing."""
    if is_trained:
        trained_models, trained_weights = prior.read(MODELS)
        models, weights = trained_models.copy(), trained_weights.reshape(SETS, INPUTS).copy()
    else:
        models, weights = new_models(MODELS), np.full((SETS, INPUTS), _FIRST_WEIGHT, np.int32)
        weights[:, -1] = 0
    return Coding(coder, buffer, models, weights, np.zeros(INPUTS, np.int64), np.zeros(INPUTS, np.int64))

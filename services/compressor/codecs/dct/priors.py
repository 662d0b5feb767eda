"""What training has taught the entropy coder, shipped in a file beside this one.

A prior is a state of models and mixer weights that a coder begins with instead of an empty one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import new_models
from services.compressor.codecs.dct.contexts import MODELS, WEIGHT_SETS

PRIORS: tuple[str, ...] = ()
"""Names of the priors: number 1 is the first."""


@dataclass(frozen=True)
class State:
    """What the entropy coder learns."""

    models: npt.NDArray[np.int32]
    """One for each context and decision."""
    weights: npt.NDArray[np.int32]
    """8 for each set of the mixer."""

    @classmethod
    def empty(cls) -> State:
        """Returns the state of prior 0."""
        return cls(new_models(MODELS), np.full(8 * WEIGHT_SETS, 20_000, np.int32))

    def copy(self) -> State:
        """Returns a state that can learn apart from this one."""
        return State(self.models.copy(), self.weights.copy())


def initial_state(_prior: int) -> State:
    """Returns the state that a file of this prior begins with; 0 is the empty one."""
    return State.empty()


def rates() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Returns bits of magnitudes [kind, diagonal, local, magnitude] and of buckets [kind, bucket]."""
    magnitudes = np.zeros((6, 12, 12, 16), np.float32)
    for near, beside in enumerate((0, 1, 2, 3, 4, 5.5, 7.5, 10, 13.5, 18.5, 26, 40)):
        mean = 0.03 + beside / 8
        for q in range(16):
            magnitudes[:, :, near, q] = np.log2(1 + mean) + q * np.log2((1 + mean) / mean) + (q > 0)
    ends = np.tile(2.5 + 0.1 * np.arange(21, dtype=np.float32), (6, 1))
    ends[:, 0] = 1
    return magnitudes, ends.astype(np.float32)


RATES, END_RATES = rates()


def prior_for(_pixels: int) -> int:
    """Returns the number of the prior that suits an image of so many pixels."""
    return 0

"""What training has taught the entropy coder and the encoder, from the file beside this one.

A prior is a state of models and mixer weights that a coder begins with instead of an empty one. The file is
part of the format: `scripts/train_priors.py` writes it once, and the number in a picture's header says which
prior it was coded with. Decompressed by LZMA (xz) it holds

    for each prior:  MODELS bytes     logit of each model's probability, in 1/16, plus 128
                     MODELS bytes     its count of observations
                     8 x WEIGHT_SETS  weights of the mixer, int16 little-endian, 12 fractional bits
                     2 x 12 x 12      filter banks of the first and the other planes, int8, 1/256
    then             6 x 12 x 12 x 16 bits that magnitudes cost on average, uint16, 1/1024
                     6 x 21           bits that buckets cost, likewise
"""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import SQUASH, STRETCH, new_models
from services.compressor.codecs.dct.contexts import MODELS, WEIGHT_SETS
from services.compressor.codecs.dct.postfilter import CLASSES, TAP_COUNT, Bank

FILE = Path(__file__).with_name("priors.xz")
PRIORS = ("photos", "small")
"""Names of the priors: number 1 is the first."""
SMALL_PIXELS = 160 * 160
"""Images of up to so many pixels begin with the prior of small ones."""
RATES_SHAPE, END_RATES_SHAPE = (6, 12, 12, 16), (6, 21)

Rates = npt.NDArray[np.float32]

_STATE_BYTES = 2 * MODELS + 16 * WEIGHT_SETS
_PRIOR_BYTES = _STATE_BYTES + 2 * CLASSES * TAP_COUNT


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

    def pack(self, largest_count: int) -> bytes:
        """Returns the state as it is shipped; counts are cut to `largest_count`, so that it still learns."""
        logits = (STRETCH[self.models >> 19].astype(np.int32) + 2048 + 8 >> 4).clip(0, 255)
        counts = np.minimum(self.models & 511, largest_count)
        weights = (self.weights + 8 >> 4).clip(-32768, 32767)
        return (
            logits.astype(np.uint8).tobytes()
            + counts.astype(np.uint8).tobytes()
            + weights.astype("<i2").tobytes()
        )

    @classmethod
    def unpack(cls, data: bytes) -> State:
        """Returns the state that `pack` wrote."""
        logits = np.frombuffer(data, np.uint8, MODELS).astype(np.int32)
        counts = np.frombuffer(data, np.uint8, MODELS, MODELS).astype(np.int32)
        weights = np.frombuffer(data, "<i2", 8 * WEIGHT_SETS, 2 * MODELS).astype(np.int32)
        models = np.where(counts > 0, SQUASH[np.minimum(logits << 4, 4095)] << 15 | counts, 1 << 30)
        return cls(models.astype(np.int32), weights << 4)


@cache
def content() -> bytes:
    """Returns the file, decompressed."""
    return lzma.decompress(FILE.read_bytes())


@cache
def _prior(number: int) -> State:
    if number == 0:
        return State.empty()
    start = (number - 1) * _PRIOR_BYTES
    return State.unpack(content()[start : start + _PRIOR_BYTES])


def initial_state(prior: int) -> State:
    """Returns the state that a file of this prior begins with; 0 is the empty one."""
    return _prior(prior).copy()


def banks(prior: int) -> list[Bank]:
    """Returns the trained filters of a prior: of the first plane, of the others."""
    if prior == 0:
        return [np.zeros((CLASSES, TAP_COUNT), np.int32)] * 2
    start = (prior - 1) * _PRIOR_BYTES + _STATE_BYTES
    values = np.frombuffer(content(), np.int8, 2 * CLASSES * TAP_COUNT, start).astype(np.int32)
    return list(values.reshape(2, CLASSES, TAP_COUNT))


def prior_for(pixels: int) -> int:
    """Returns the number of the prior that suits an image of so many pixels."""
    return 2 if pixels <= SMALL_PIXELS else 1


@cache
def rates() -> tuple[Rates, Rates]:
    """Returns bits of magnitudes [kind, diagonal, local, magnitude] and of buckets [kind, bucket]."""
    stored = np.frombuffer(content(), "<u2", offset=len(PRIORS) * _PRIOR_BYTES)
    values: Rates = stored.astype(np.float32) / np.float32(1024)
    size = int(np.prod(RATES_SHAPE))
    return values[:size].reshape(RATES_SHAPE), values[size:].reshape(END_RATES_SHAPE)


def pack_rates(magnitudes: Rates, ends: Rates) -> bytes:
    """Returns the tables as they are shipped."""
    return b"".join(
        (table * 1024).round().clip(0, 65535).astype("<u2").tobytes() for table in (magnitudes, ends)
    )

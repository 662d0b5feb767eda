"""Whether and how each plane is filtered behind the decoder: two bits, and numbers where they pay."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import code_bit, new_models
from services.compressor.codecs.coding.coder import Buffer, Coder
from services.compressor.codecs.dct import postfilter, priors
from services.compressor.codecs.dct.header import Header
from services.compressor.codecs.dct.postfilter import CLASSES, TAP_COUNT, Bank, Samples
from services.compressor.codecs.dct.steps import UNIT

_EVEN = 1 << 15
_BITS_PER_CLASS = 55  # that a bank of its own costs, roughly
_LAGRANGE = 0.08  # squared steps a bit, as for coefficients


def encode(
    coder: Coder,
    buffer: Buffer,
    header: Header,
    number: int,
    samples: Samples,
    original: npt.NDArray[np.float32],
) -> None:
    """Chooses a plane's filter and codes it."""
    step, trained = _of(header, number)
    classes = postfilter.classify(samples, step)
    sums = postfilter.statistics(samples, original, classes)
    bit_cost = _LAGRANGE * (step / UNIT) ** 2
    trained_gains = postfilter.gains(sums, trained)
    own = postfilter.solved(sums, trained)
    pays = postfilter.gains(sums, own) - trained_gains > _BITS_PER_CLASS * bit_cost
    own[~pays] = trained[~pays]
    own_gain = postfilter.gains(sums, own).sum() - bit_cost * (CLASSES + _BITS_PER_CLASS * pays.sum())
    is_filtered = int(max(trained_gains.sum(), own_gain) > 0)
    is_own = int(own_gain > trained_gains.sum())
    code_bit(coder, buffer, is_filtered, _EVEN)
    if is_filtered and code_bit(coder, buffer, is_own, _EVEN):
        postfilter.code_bank(coder, buffer, new_models(postfilter.MODELS), own, trained)


def decode(coder: Coder, buffer: Buffer, header: Header, number: int, samples: Samples) -> Samples:
    """Reads a plane's filter and returns the plane behind it."""
    step, trained = _of(header, number)
    if not code_bit(coder, buffer, 0, _EVEN):
        return samples
    bank = trained
    if code_bit(coder, buffer, 0, _EVEN):
        bank = np.zeros((CLASSES, TAP_COUNT), np.int32)
        postfilter.code_bank(coder, buffer, new_models(postfilter.MODELS), bank, trained)
    return postfilter.filtered(samples, postfilter.classify(samples, step), bank)


def _of(header: Header, number: int) -> tuple[int, Bank]:
    """Returns a plane's base step and its trained bank."""
    steps, _ = header.quantiser.tables(number)
    return int(steps[0]), priors.banks(header.prior)[min(number, 1)].copy()

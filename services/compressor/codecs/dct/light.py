"""Codes the blocks of files that are to be read quickly: all of 8 x 8, four contexts a magnitude, even signs.

The same decisions as in `entropy` and `frequencies`, in loops of known length; what a block asks of its
neighbours is looked up coefficient by coefficient, so that empty blocks cost next to nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from services.compressor.codecs.coding import SQUASH, STRETCH, code_bit, inner
from services.compressor.codecs.coding.tables import RATES
from services.compressor.codecs.dct.blocks import (
    AGREEMENT,
    BUCKET,
    COLUMNS,
    HAS_LEFT,
    HAS_TOP,
    KIND,
    PLANE_CLASS,
    REFERENCE_KIND,
    ROWS,
    X8,
    Y8,
)
from services.compressor.codecs.dct.contexts import (
    BASES,
    COARSE,
    DECISIONS,
    DIAGONAL,
    EXPECTED,
    FREQUENCY,
    LIGHT_SETS,
    LOCAL,
    REFERENCE,
)
from services.compressor.codecs.dct.frequencies import CLIP
from services.compressor.codecs.dct.scan import BUCKETS, SCANS
from services.compressor.codecs.dct.transforms import INVERSE
from services.compressor.codecs.dct.voting import ESCAPE, LIMIT, MAX_WEIGHT, RATE, UNARY, code_rest

_POSITION, _EXPECTED = BASES["position"], BASES["expected"]
_PATTERN, _REFERENCE = BASES["pattern"], BASES["reference"]
_ROOT_2 = 5793  # sqrt(2) with 12 fractional bits

_U, _V = SCANS[0, :64] >> 5, SCANS[0, :64] & 31
_CELLS = (8 * _U + _V).astype(np.int64)
"""[64]: 8 u + v of each place of the scan."""
_POSITIONS = (_POSITION + (FREQUENCY[_U] * 10 + FREQUENCY[_V]) * 4 * DECISIONS).astype(np.int64)
_DIAGONALS = (_REFERENCE + DIAGONAL[_U + _V] * 12 * 16 * DECISIONS).astype(np.int64)
_BASIS = INVERSE[0, :8, :4].astype(np.int64)  # the other half mirrors this one


@inner
def code_light_frequencies(  # noqa: PLR0912, PLR0915 - one loop, whose steps share a dozen numbers
    coding: Any, room: Any, plane: Any, other: Any, steps: Any, decoding: Any
) -> Any:
    """Codes all coefficients but the mean, into `room.work` too, at 8 u + v; sets the unit's profile."""
    at, magnitudes, sums, work = room.at, room.magnitudes, room.sums, room.work
    y8, x8, plane_class, reference_kind = at[Y8], at[X8], at[PLANE_CLASS], at[REFERENCE_KIND]
    kind = at[KIND]
    y, x, shift = y8 * 8, x8 * 8, max(reference_kind - 1, 0)
    scale = 2 * (3 - at[HAS_TOP] - at[HAS_LEFT])
    for i in range(64):
        plane.profile[y8, x8, i] = 0
    if at[BUCKET] < 2:
        return
    for i in range(64):
        sums[i] = 0
        work[i] = 0
    if at[HAS_LEFT]:
        for i in range(64):
            sums[i] += np.int32(plane.profile[y8, x8 - 1, i])
    if at[HAS_TOP]:
        for i in range(64):
            sums[i] += np.int32(plane.profile[y8 - 1, x8, i])
    for i in range(10):
        for j in range(10):
            magnitudes[36 * i + j] = 0
    top, left = room.from_top[0], room.from_left[0]
    agreement, rows, columns = np.int64(0), np.int64(1), np.int64(1)
    for i in range(BUCKETS[at[BUCKET]] - 1, 0, -1):
        cell = _CELLS[i]
        u, v = cell >> 3, cell & 7
        place = u * 36 + v
        a, b, c = magnitudes[place + 1], magnitudes[place + 36], magnitudes[place + 37]
        d, f = magnitudes[place + 2], magnitudes[place + 72]
        local = np.int64(min(2 * (a + b) + c + d + f, 127))
        near, coarse = np.int64(LOCAL[local]), np.int64(COARSE[local])
        ahead = np.int64(2 * sums[cell] + sums[min(cell + 8, 56 + v)] + sums[cell + (v < 7)])
        ahead = np.int64(EXPECTED[min(ahead * scale, 255)])
        reference = known = np.int64(0)
        if reference_kind == 1:
            reference = np.int64(other.coefficients[y + u, x + v])
            known = 1 + min(abs(reference), 2)
        if reference_kind:
            there = other.profile[y8 << shift, x8 << shift, (u >> shift) * 8 + (v >> shift)]
            known += 4 * np.int64(REFERENCE[np.int64(there) << 4])
        pattern = ((min(a, 3) * 4 + min(b, 3)) * 3 + min(c, 2)) * 9 + min(d, 2) * 3 + min(f, 2)
        value = np.int64(0) if decoding else np.int64(plane.coefficients[y + u, x + v])
        magnitude = code_light_magnitude(
            coding,
            abs(value),
            _POSITIONS[i] + (kind * 400 + coarse) * DECISIONS,
            _EXPECTED + ((kind * 12 + near) * 12 + ahead) * DECISIONS,
            _PATTERN + (kind * 432 + pattern) * DECISIONS,
            _DIAGONALS[i] + ((plane_class * 144 + ahead) * 16 + known) * DECISIONS,
            LIGHT_SETS + kind * 3 * DECISIONS + (0 if near == 0 else 1 if near < 5 else 2),
            plane_class,
        )
        if magnitude == 0:
            continue
        negative: Any = np.int64(value < 0)
        negative = code_bit(coding.coder, coding.buffer, negative, 32768)
        magnitude = min(magnitude, 32767)
        if decoding:
            plane.coefficients[y + u, x + v] = -magnitude if negative else magnitude
        if reference:
            agreement += 1 if (reference < 0) == (negative == 1) else -1
        restored = min(magnitude * np.int64(steps.steps[u * 32 + v]) >> 4, CLIP)
        if negative:
            restored = -restored
        work[cell] = restored
        share = restored * _ROOT_2 >> 12
        if v == 0:
            top -= share
        if u == 0:
            left -= share
        magnitudes[place] = min(magnitude, 63)
        plane.profile[y8, x8, cell] = min(magnitude, 15)
        rows, columns = max(rows, u + 1), max(columns, v + 1)
    at[AGREEMENT] = agreement
    at[ROWS], at[COLUMNS] = rows, columns
    room.from_top[0], room.from_left[0] = top, left


@inner
def code_light_magnitude(
    coding: Any, value: Any, c0: Any, c1: Any, c2: Any, c3: Any, selected: Any, plane_class: Any
) -> Any:
    """Codes a magnitude by four contexts and returns it; like `voting.code_magnitude`."""
    decisions = np.int64(0)
    while decisions < UNARY:
        step = min(decisions, DECISIONS - 1)
        bit = np.int64(value > decisions)
        if light_vote(coding, bit, c0 + step, c1 + step, c2 + step, c3 + step, selected + 3 * step) == 0:
            return decisions
        decisions += 1
    return UNARY + code_rest(coding, value - UNARY, ESCAPE + plane_class * 32)


@inner
def light_vote(coding: Any, bit: Any, c0: Any, c1: Any, c2: Any, c3: Any, selected: Any) -> Any:
    """Codes one bit by four models, like `voting.vote`, with all numbers in registers."""
    models, weights = coding.models, coding.weights
    i0, i1, i2, i3, base = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3), np.uint64(8 * selected)
    m0, m1, m2, m3 = np.int64(models[i0]), np.int64(models[i1]), np.int64(models[i2]), np.int64(models[i3])
    s0, s1 = np.int64(STRETCH[np.uint64(m0 >> 19)]), np.int64(STRETCH[np.uint64(m1 >> 19)])
    s2, s3 = np.int64(STRETCH[np.uint64(m2 >> 19)]), np.int64(STRETCH[np.uint64(m3 >> 19)])
    w0, w1 = np.int64(weights[base]), np.int64(weights[base + np.uint64(1)])
    w2, w3 = np.int64(weights[base + np.uint64(2)]), np.int64(weights[base + np.uint64(3)])
    logit = (s0 * w0 + s1 * w1 + s2 * w2 + s3 * w3) >> 16
    chance: Any = np.int64(SQUASH[np.uint64(min(max(logit, -2047), 2047) + 2048)])
    bit = code_bit(coding.coder, coding.buffer, bit, chance)
    error = ((bit << 16) - chance) * RATE
    weights[base] = bent(w0, s0, error)
    weights[base + np.uint64(1)] = bent(w1, s1, error)
    weights[base + np.uint64(2)] = bent(w2, s2, error)
    weights[base + np.uint64(3)] = bent(w3, s3, error)
    models[i0], models[i1] = learned(m0, bit), learned(m1, bit)
    models[i2], models[i3] = learned(m2, bit), learned(m3, bit)
    return bit


@inner
def bent(weight: Any, vote: Any, error: Any) -> Any:
    """Returns a weight after a bit."""
    return min(max(weight + ((vote * error + (1 << 19)) >> 20), -MAX_WEIGHT), MAX_WEIGHT)


@inner
def learned(state: Any, bit: Any) -> Any:
    """Returns a model after a bit."""
    count = state & 511
    chance = state >> 9
    chance += (bit * 4194303 - chance) * np.int64(RATES[np.uint64(count)]) >> 16
    return chance << 9 | min(count + 1, max(count, LIMIT))


@inner
def finish_light_block(room: Any, plane: Any) -> Any:
    """Writes the samples of a block whose coefficients lie at 8 u + v of `room.work`."""
    work, middle, samples = room.work, room.middle, plane.samples
    y0, x0, rows, columns = room.at[Y8] * 8, room.at[X8] * 8, room.at[ROWS], room.at[COLUMNS]
    for v in range(columns):
        for y in range(4):
            even, odd = np.int64(128), np.int64(0)
            for u in range(0, rows, 2):
                even += _BASIS[u, y] * work[8 * u + v]
            for u in range(1, rows, 2):
                odd += _BASIS[u, y] * work[8 * u + v]
            middle[8 * y + v] = np.int32(even + odd) >> 8
            middle[8 * (7 - y) + v] = np.int32(even - odd) >> 8
    for y in range(8):
        for x in range(4):
            even, odd = np.int64(1 << 15), np.int64(0)
            for v in range(0, columns, 2):
                even += _BASIS[v, x] * middle[8 * y + v]
            for v in range(1, columns, 2):
                odd += _BASIS[v, x] * middle[8 * y + v]
            samples[y0 + y, x0 + x] = min(max(np.int32(even + odd) >> 16, -2048), 2047)
            samples[y0 + y, x0 + 7 - x] = min(max(np.int32(even - odd) >> 16, -2048), 2047)

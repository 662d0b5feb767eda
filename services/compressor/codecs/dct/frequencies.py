"""Codes the coefficients of a block: from the highest frequency to the lowest, then the mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from services.compressor.codecs.coding import inner
from services.compressor.codecs.dct.blocks import (
    AGREEMENT,
    BUCKET,
    COLUMNS,
    COUNT,
    HAS_LEFT,
    HAS_TOP,
    KIND,
    LEVEL,
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
    EDGE_LEVEL,
    FREQUENCY,
    LOCAL,
    SCAN_CLASS,
    SIGN_SETS,
)
from services.compressor.codecs.dct.scan import SCANS
from services.compressor.codecs.dct.voting import code_magnitude_3, code_magnitude_8, vote_1, vote_3

_POSITION, _EXPECTED, _PATTERN = BASES["position"], BASES["expected"], BASES["pattern"]
_REFERENCE, _ENDING, _AROUND = BASES["reference"], BASES["ending"], BASES["around"]
_TOP, _LEFT, _MEAN, _SIGN = BASES["top"], BASES["left"], BASES["mean"], BASES["sign"]
_ROOT_2 = 5793  # sqrt(2) with 12 fractional bits
CLIP = 1 << 16
"""Largest coefficient, with 4 fractional bits."""


@inner
def near_by(magnitudes: Any, at: Any) -> Any:
    """Returns how large the known coefficients beside a place are, at most 127."""
    local = 2 * (magnitudes[at + 1] + magnitudes[at + 36])
    local += magnitudes[at + 37] + magnitudes[at + 2] + magnitudes[at + 72]
    return np.int64(min(local, 127))


@inner
def edge_level(rest: Any, inverse_step: Any) -> Any:
    """Returns the class of what an edge leaves unexplained."""
    return np.int64(EDGE_LEVEL[min(abs(rest) * inverse_step >> 16, 63)])


@inner
def trend_context(room: Any, other: Any) -> Any:
    """Returns the context of a sign that tells of the other plane's coefficient and of the signs so far."""
    direction = 0 if other == 0 else 1 if other > 0 else 2
    trend = min(max(room.at[AGREEMENT], -2), 2) + 2
    row = room.at[PLANE_CLASS] * 15 + direction * 5 + trend
    return _SIGN + (row * 16 + min(abs(other), 3)) * 3 + 2


@inner
def code_frequencies(  # noqa: PLR0915 - one loop, whose steps share a dozen numbers
    coding: Any, room: Any, plane: Any, reference: Any, steps: Any, decoding: Any
) -> Any:
    """Codes all coefficients but the mean, into `room.work` too."""
    contexts, at, magnitudes = coding.contexts, room.at, room.magnitudes
    from_top, from_left = room.from_top, room.from_left
    y, x, level, kind, plane_class = at[Y8] * 8, at[X8] * 8, at[LEVEL], at[KIND], at[PLANE_CLASS]
    bucket, reference_kind, sets = at[BUCKET], at[REFERENCE_KIND], kind * 2 * DECISIONS * 3
    for i in range(at[COUNT] - 1, 0, -1):
        position = np.int64(SCANS[level, i])
        u, v = position >> 5, position & 31
        place = u * 36 + v
        local = near_by(magnitudes, place)
        near, coarse = np.int64(LOCAL[local]), np.int64(COARSE[local])
        cell = (u >> level) * 8 + (v >> level)
        ahead = np.int64(room.ahead[cell])
        other = known = np.int64(0)
        if reference_kind == 1:
            other = np.int64(reference[y + u, x + v])
            known = 1 + min(abs(other), 2)
        if reference_kind:
            known += 4 * room.other[cell]
        diagonal = np.int64(DIAGONAL[u + v])
        pattern = min(magnitudes[place + 1], 3) * 4 + min(magnitudes[place + 36], 3)
        pattern = pattern * 3 + min(magnitudes[place + 37], 2)
        pattern = pattern * 9 + min(magnitudes[place + 2], 2) * 3 + min(magnitudes[place + 72], 2)
        contexts[0] = _POSITION + ((kind * 100 + FREQUENCY[u] * 10 + FREQUENCY[v]) * 4 + coarse) * 8
        contexts[1] = _EXPECTED + ((kind * 12 + near) * 12 + ahead) * 8
        contexts[2] = _PATTERN + (kind * 432 + pattern) * 8
        contexts[3] = _REFERENCE + (((plane_class * 12 + diagonal) * 12 + ahead) * 16 + known) * 8
        inverse_step = np.int64(steps.inverse[level * 1024 + position])
        top_place = min(u, 4) * 3 + (0 if v == 0 else 1 if v < 4 else 2)
        left_place = min(v, 4) * 3 + (0 if u == 0 else 1 if u < 4 else 2)
        top_rest = from_top[v] if at[HAS_TOP] and u < 4 else np.int64(0)
        left_rest = from_left[u] if at[HAS_LEFT] and v < 4 else np.int64(0)
        top_level, left_level = edge_level(top_rest, inverse_step), edge_level(left_rest, inverse_step)
        contexts[4] = _ENDING + ((kind * 21 + bucket) * 16 + SCAN_CLASS[i]) * 8
        contexts[5] = _TOP + (((kind * 15 + top_place) * 8 + top_level) * 4 + coarse) * 8
        contexts[6] = _LEFT + (((kind * 15 + left_place) * 8 + left_level) * 4 + coarse) * 8
        contexts[7] = _AROUND + ((kind * 12 + diagonal) * 48 + (known & 3) * 12 + near) * 8
        value = np.int64(0) if decoding else np.int64(plane.coefficients[y + u, x + v])
        group = 0 if near == 0 else 1 if near < 5 else 2
        magnitude = code_magnitude_8(coding, abs(value), sets + group, plane_class)
        if magnitude == 0:
            continue
        negative: Any = np.int64(value < 0)
        top_sign = top_level + 8 if top_rest >= 0 else 7 - top_level
        left_sign = left_level + 8 if left_rest >= 0 else 7 - left_level
        contexts[0] = _SIGN + ((plane_class * 15 + top_place) * 16 + top_sign) * 3
        contexts[1] = _SIGN + ((plane_class * 15 + left_place) * 16 + left_sign) * 3 + 1
        contexts[2] = trend_context(room, other)
        negative = vote_3(coding, negative, SIGN_SETS + kind * 2 + np.int64(other != 0))
        magnitude = min(magnitude, 32767)
        if decoding:
            plane.coefficients[y + u, x + v] = -magnitude if negative else magnitude
        if other:
            at[AGREEMENT] += 1 if (other < 0) == (negative == 1) else -1
        restored = min(magnitude * np.int64(steps.steps[level * 1024 + position]) >> 4, CLIP)
        if negative:
            restored = -restored
        room.work[position] = restored
        share = restored * _ROOT_2 >> 12
        from_top[v] -= share
        from_left[u] -= share
        magnitudes[place] = min(magnitude, 63)
        room.sums[cell] += min(magnitude, 15) << (4 - 2 * level)
        at[ROWS] = max(at[ROWS], u + 1)
        at[COLUMNS] = max(at[COLUMNS], v + 1)


@inner
def code_mean(coding: Any, room: Any, reference: Any, steps: Any, residual: Any) -> Any:
    """Codes what the edges leave of the mean, in steps, and returns it."""
    contexts, at = coding.contexts, room.at
    kind, plane_class, bucket, first = at[KIND], at[PLANE_CLASS], at[BUCKET], at[LEVEL] * 1024
    spread = np.int64(9)
    if at[HAS_TOP] and at[HAS_LEFT]:
        gap = abs(room.from_top[0] - room.from_left[0])
        spread = np.int64(EDGE_LEVEL[min(gap * np.int64(steps.inverse[first]) >> 17, 63)])
    elif at[HAS_TOP] or at[HAS_LEFT]:
        spread = np.int64(8)
    near = np.int64(LOCAL[near_by(room.magnitudes, np.int64(0))]) if bucket > 1 else np.int64(0)
    other = known = np.int64(0)
    if at[REFERENCE_KIND] == 1:
        other = np.int64(reference[at[Y8] * 8, at[X8] * 8])
        known = 1 + min(abs(other), 2)
    contexts[0] = _MEAN + (((kind * 10 + spread) * 12 + near) * 4 + known) * 8
    contexts[1] = _ENDING + ((kind * 21 + bucket) * 16) * 8
    contexts[2] = _PATTERN + (kind * 432 + 431 - spread) * 8
    sets = (kind * 2 + 1) * DECISIONS * 3
    magnitude = code_magnitude_3(coding, abs(residual), sets, plane_class)
    if magnitude == 0:
        return np.int64(0)
    contexts[0] = trend_context(room, other) + 12
    if vote_1(coding, np.int64(residual < 0), SIGN_SETS + kind * 2):
        return -magnitude
    return magnitude

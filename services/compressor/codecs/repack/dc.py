"""The model of DC coefficients.

The block's pixels at its upper and left edge, without their mean, and the neighbours' pixels at the same
edges give up to 16 predictions of the mean. What the average of the middle ones leaves is coded.
"""

from __future__ import annotations

import numpy as np

from services.compressor.codecs.coding import compiled
from services.compressor.codecs.repack.ac import level, sign
from services.compressor.codecs.repack.asking import ask, code_magnitude
from services.compressor.codecs.repack.layout import Coefficients
from services.compressor.codecs.repack.planes import BEFORE, LEFT, LUMA, TOP, Edge, Places, Work, add_to_edges
from services.compressor.codecs.repack.space import (
    BANDS,
    DC,
    DC_SIGN,
    SETS_DC,
    SETS_DC_ALL,
    SETS_DC_SIGN,
    SETS_DC_SPREAD,
    STEPS,
    Coding,
)
from services.compressor.codecs.repack.tables import EDGE, PIXELS, Whole

_MOST = 8 * 32767


@compiled
def code_dc(
    coding: Coding, coefficients: Coefficients, block: int, kind: int, diagonal: int, near: Places, work: Work
) -> None:
    """Codes the DC coefficient of a block whose other coefficients are known."""
    missing = near[-1]
    predicted, spread, gap = _predict(work, near[TOP] != missing, near[LEFT] != missing)
    whole = (predicted + 4) >> 3
    fraction = predicted + 4 - whole * 8
    left, top = np.int64(work.residuals[near[LEFT]]), np.int64(work.residuals[near[TOP]])
    before = np.int64(work.residuals[near[BEFORE]])
    luma = np.int64(0)
    for i in range(4):
        luma += np.int64(work.residuals[near[LUMA + i]])
    spread_level = level(spread)
    around_level = level(abs(left) + abs(top))
    across_level = level(abs(luma) if near[BEFORE] == missing else 2 * abs(before))
    contexts = coding.contexts
    contexts[0] = DC[0] + (kind * 16 + spread_level) * STEPS
    contexts[1] = DC[1] + (kind * 16 + around_level) * STEPS
    contexts[2] = DC[2] + ((kind * 16 + diagonal) * 16 + spread_level) * STEPS
    contexts[3] = DC[3] + ((kind * 16 + across_level) * 16 + spread_level) * STEPS
    contexts[4] = DC[4] + ((kind * 8 + fraction) * 16 + spread_level) * STEPS
    contexts[5] = DC[5] + ((kind * 16 + level(gap)) * 16 + spread_level) * STEPS
    contexts[6] = DC[6] + ((kind * 16 + around_level) * 16 + spread_level) * STEPS
    residual = np.int64(coefficients[block, 0]) - whole
    magnitude = code_magnitude(
        coding,
        abs(residual),
        7,
        SETS_DC + 2 * kind,
        SETS_DC_SPREAD + 2 * (kind * 16 + spread_level),
        kind * (1 + BANDS),
    )
    is_negative = 0
    if magnitude:
        contexts[0] = DC_SIGN[0] + (kind * 16 + spread_level) * 16 + fraction
        contexts[1] = DC_SIGN[1] + kind * 27 + sign(left) * 9 + sign(top) * 3 + sign(before)
        contexts[2] = DC_SIGN[2] + kind * 32 + level(abs(before)) + (16 if before >= 0 else 0)
        contexts[3] = DC_SIGN[3] + kind * 32 + level(abs(luma)) + (16 if luma >= 0 else 0)
        is_negative = ask(coding, 1 if residual < 0 else 0, 4, SETS_DC_SIGN + kind, SETS_DC_ALL)
    residual = -magnitude if is_negative else magnitude
    value = min(max(whole + residual, -32768), 32767)
    coefficients[block, 0] = value
    work.residuals[block] = residual
    add_to_edges(work, 0, value)


@compiled
def _predict(work: Work, has_top: bool, has_left: bool) -> tuple[Whole, Whole, Whole]:
    """Returns the prediction in eighths of a step, its spread and the gap between edges in quarters."""
    estimates = work.estimates
    count = 0
    if has_top:
        _add_estimates(work.top_edge, estimates, count)
        count += 8
    if has_left:
        _add_estimates(work.left_edge, estimates, count)
        count += 8
    if count == 0:
        return np.int64(0), np.int64(0), np.int64(0)
    unit = EDGE[0] * PIXELS[0, 0] * work.steps[0]
    gap = np.int64(0)
    if count == 16:
        for i in range(8):
            gap += estimates[i] - estimates[8 + i]
    _sort(estimates, count)
    trimmed = count // 4
    total = np.int64(0)
    for i in range(trimmed, count - trimmed):
        total += estimates[i]
    predicted = (total * 8 // (count // 2)) // unit
    spread = (estimates[count - trimmed] - estimates[trimmed]) * 4 // unit
    return min(max(predicted, -_MOST), _MOST), spread, abs(gap) // 2 // unit


@compiled
def _add_estimates(edge: Edge, estimates: Edge, start: int) -> None:
    """Writes what is missing at each of an edge's 8 pixels, from its frequencies."""
    for x in range(8):
        total = np.int64(0)
        for u in range(8):
            total += PIXELS[x, u] * edge[u]
        estimates[start + x] = total


@compiled
def _sort(numbers: Edge, count: int) -> None:
    for i in range(1, count):
        number = numbers[i]
        j = i - 1
        while j >= 0 and numbers[j] > number:
            numbers[j + 1] = numbers[j]
            j -= 1
        numbers[j + 1] = number

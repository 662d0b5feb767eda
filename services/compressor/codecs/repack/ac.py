"""The model of alternating coefficients."""

from __future__ import annotations

import numpy as np

from services.compressor.codecs.coding import compiled
from services.compressor.codecs.repack.asking import ask, code_magnitude
from services.compressor.codecs.repack.layout import Coefficients
from services.compressor.codecs.repack.planes import (
    BEFORE,
    LEFT,
    LUMA,
    TOP,
    TOP_LEFT,
    TOP_RIGHT,
    Places,
    Work,
    add_to_edges,
)
from services.compressor.codecs.repack.space import (
    AC,
    AC_SIGN,
    BANDS,
    SETS_AC,
    SETS_AC_LEVELS,
    SETS_SIGN,
    SETS_SIGN_LEVELS,
    STEPS,
    Coding,
)
from services.compressor.codecs.repack.tables import (
    DIAGONAL_ENDS,
    HIGHER,
    HORIZONTAL,
    LEVELS,
    MOST,
    VERTICAL,
    Whole,
)


@compiled
def sign(value: Whole) -> int:
    """Returns 0 for a negative number, 1 for 0, 2 for a positive one."""
    return 1 + int(value > 0) - int(value < 0)


@compiled
def level(number: Whole) -> int:
    """Returns the level of a number that is not negative."""
    return int(LEVELS[min(number, MOST)])


@compiled
def code_ac(  # noqa: PLR0915 - contexts, one by one
    coding: Coding, coefficients: Coefficients, block: int, kind: int, diagonal: int, near: Places, work: Work
) -> None:
    """Codes the alternating coefficients of a block up to its last diagonal, from the highest frequency."""
    magnitudes = work.magnitudes
    magnitudes[:] = 0
    values = coefficients[block]
    contexts = coding.contexts
    count = 0
    for k in range(DIAGONAL_ENDS[diagonal], 0, -1):
        v, u = VERTICAL[k], HORIZONTAL[k]
        right, below = magnitudes[HIGHER[k, 0]], magnitudes[HIGHER[k, 1]]
        inside = int(2 * (right + below))
        inside += magnitudes[HIGHER[k, 2]] + magnitudes[HIGHER[k, 3]] + magnitudes[HIGHER[k, 4]]
        left, top = np.int64(coefficients[near[LEFT], k]), np.int64(coefficients[near[TOP], k])
        around = 2 * (abs(left) + abs(top))
        around += abs(np.int64(coefficients[near[TOP_LEFT], k])) + abs(
            np.int64(coefficients[near[TOP_RIGHT], k])
        )
        luma = np.int64(coefficients[near[LUMA], k])
        before = np.int64(coefficients[near[BEFORE], k])
        across = inside + around
        if near[LUMA] != near[-1]:
            across = int(4 * abs(before))
            for i in range(4):
                across += abs(np.int64(coefficients[near[LUMA + i], k]))
        # Steps of the coefficient, times 8, that make the edge continue the neighbour's.
        from_top = int(work.top_edge[u] * work.top_scale[k] >> 21)
        from_left = int(work.left_edge[v] * work.left_scale[k] >> 21)
        predicted = (from_top + from_left) >> 1
        if v == 0:
            predicted = from_top
        elif u == 0:
            predicted = from_left
        inside_level, around_level = level(np.int64(inside)), level(np.int64(around))
        predicted_level = level(abs(predicted) >> 1)
        coefficient = kind * 64 + k
        band = (u + v) >> 1
        contexts[0] = AC[0] + (coefficient * 16 + diagonal) * STEPS
        contexts[1] = AC[1] + (coefficient * 16 + inside_level) * STEPS
        contexts[2] = AC[2] + (coefficient * 16 + around_level) * STEPS
        both = (inside_level << 4) + around_level
        contexts[3] = AC[3] + ((kind * BANDS + band) * 256 + both) * STEPS
        contexts[4] = AC[4] + (coefficient * 16 + predicted_level) * STEPS
        contexts[5] = AC[5] + (coefficient * 16 + level(np.int64(across))) * STEPS
        contexts[6] = AC[6] + (((kind * 16 + diagonal) * 16 + u + v) * 8 + min(count, 7)) * STEPS
        four = ((min(abs(left), 2) * 3 + min(abs(top), 2)) * 3 + min(right, 2)) * 3 + min(below, 2)
        contexts[7] = AC[7] + (coefficient * 81 + four) * STEPS
        value = np.int64(values[k])
        magnitude = code_magnitude(
            coding,
            abs(value),
            8,
            SETS_AC + 2 * coefficient,
            SETS_AC_LEVELS + 2 * (kind * 256 + both),
            kind * (1 + BANDS) + 1 + band,
        )
        if magnitude == 0:
            values[k] = 0
            continue
        magnitude = min(magnitude, 32767)
        top_step = min(max((from_top + 36) >> 3, 0), 8)
        left_step = min(max((from_left + 36) >> 3, 0), 8)
        contexts[0] = AC_SIGN[0] + coefficient * 81 + top_step * 9 + left_step
        contexts[1] = AC_SIGN[1] + coefficient * 32 + predicted_level + (16 if predicted >= 0 else 0)
        signs = sign(left) * 9 + sign(top) * 3 + sign(before)
        contexts[2] = AC_SIGN[2] + coefficient * 27 + signs
        right = np.int64(values[HIGHER[k, 0]]) if HIGHER[k, 0] < 64 else 0
        below = np.int64(values[HIGHER[k, 1]]) if HIGHER[k, 1] < 64 else 0
        contexts[3] = AC_SIGN[3] + coefficient * 27 + sign(right) * 9 + sign(below) * 3 + sign(before)
        signs = (sign(luma) * 3 + sign(before)) * 9 + min(top_step // 3, 2) * 3 + min(left_step // 3, 2)
        contexts[4] = AC_SIGN[4] + coefficient * 81 + signs
        is_negative = ask(
            coding,
            1 if value < 0 else 0,
            5,
            SETS_SIGN + coefficient,
            SETS_SIGN_LEVELS + kind * 16 + predicted_level,
        )
        value = -magnitude if is_negative else magnitude
        values[k] = value
        magnitudes[k] = magnitude
        count += 1
        add_to_edges(work, k, value)

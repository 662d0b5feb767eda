"""Codes a plane's blocks: quantised coefficients to bits and samples, or bits to coefficients and samples.

Encoder and decoder run the same code. Blocks come in raster order of 32 x 32 squares, which hold one block
of 32, or quarters with one of 16 or quarters of 8. Both sides reconstruct each block at once, since the
edges of the blocks to the left and above tell of its means and slopes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from services.compressor.codecs.coding import SQUASH, STRETCH, code_adaptive, code_bit, compiled
from services.compressor.codecs.coding.coder import DECODE, MODE
from services.compressor.codecs.coding.tables import RATES
from services.compressor.codecs.dct.contexts import (
    BASES,
    COARSE,
    DECISIONS,
    DIAGONAL,
    EDGE_LEVEL,
    END_SETS,
    EXPECTED,
    FREQUENCY,
    LIGHT_SETS,
    LOCAL,
    REFERENCE,
    SCAN_CLASS,
    SIGN_SETS,
    SPLIT_SETS,
    VOTERS,
)
from services.compressor.codecs.dct.scan import BUCKET_OF, BUCKETS, EXTENTS, SCANS
from services.compressor.codecs.dct.transforms import EDGE, INVERSE, inverse_transform

_POSITION, _EXPECTED, _PATTERN, _REFERENCE = (
    BASES["position"],
    BASES["expected"],
    BASES["pattern"],
    BASES["reference"],
)
_ENDING, _TOP, _LEFT, _AROUND = BASES["ending"], BASES["top"], BASES["left"], BASES["around"]
_MEAN, _SIGN, _END, _SPLIT, _ESCAPE = (
    BASES["mean"],
    BASES["sign"],
    BASES["end"],
    BASES["split"],
    BASES["escape"],
)
_ROOT_2 = 5793  # sqrt(2) with 12 fractional bits
_LIMIT = 255  # of a model's count
_RATE = 14  # of the mixer, in units of 2^-12
_MAX_WEIGHT = 1 << 20
_UNARY = 14  # magnitudes from here on have an escape code
_CLIP = 1 << 16


@compiled
def vote(
    coder: Any,
    buffer: Any,
    bit: Any,
    models: Any,
    weights: Any,
    contexts: Any,
    votes: Any,
    voters: Any,
    selected: Any,
) -> Any:
    """Codes one bit by the first `voters` contexts; like `coding.code_mixed`, with room for 8 weights a set."""
    total = np.int64(0)
    base = np.uint64(selected * 8)
    for i in range(voters):
        votes[i] = STRETCH[np.uint32(models[contexts[i]]) >> np.uint32(19)]
        total += np.int64(votes[i]) * np.int64(weights[base + np.uint64(i)])
    chance = np.int64(SQUASH[min(max(total >> 16, -2047), 2047) + 2048])
    bit = code_bit(coder, buffer, bit, chance)
    error = ((bit << 16) - chance) * _RATE
    target = bit * 4194303
    for i in range(voters):
        weight = np.int64(weights[base + np.uint64(i)]) + ((np.int64(votes[i]) * error + (1 << 19)) >> 20)
        weights[base + np.uint64(i)] = min(max(weight, -_MAX_WEIGHT), _MAX_WEIGHT)
        state = np.int64(models[contexts[i]])
        count = state & 511
        probability = state >> 9
        probability += (target - probability) * RATES[np.uint64(count)] >> 16
        if count < _LIMIT:
            count += 1
        models[contexts[i]] = probability << 9 | count
    return bit


@compiled
def code_magnitude(
    coder: Any,
    buffer: Any,
    value: Any,
    models: Any,
    weights: Any,
    contexts: Any,
    votes: Any,
    voters: Any,
    selected: Any,
    plane_class: Any,
) -> Any:
    """Codes a magnitude as "is it larger than 0, than 1, ..." and returns it; changes `contexts`."""
    decisions = 0
    while decisions < _UNARY:
        step = min(decisions, DECISIONS - 1)
        bit = vote(
            coder,
            buffer,
            1 if value > decisions else 0,
            models,
            weights,
            contexts,
            votes,
            voters,
            selected + 3 * step,
        )
        if bit == 0:
            return decisions
        if decisions < DECISIONS - 1:
            for i in range(voters):
                contexts[i] += np.uint64(1)
        decisions += 1
    # An Elias gamma code of what is left, the length by adaptive bits.
    rest = value - _UNARY + 1
    length = 0
    while length < 20:
        more = code_adaptive(
            coder, buffer, 1 if rest >> (length + 1) else 0, models, _ESCAPE + plane_class * 32 + length, 255
        )
        if more == 0:
            break
        length += 1
    decoded = 1
    for i in range(length):
        decoded = decoded << 1 | code_bit(coder, buffer, rest >> (length - 1 - i) & 1, 32768)
    return _UNARY - 1 + decoded


@compiled
def code_plane(
    coder: Any,
    buffer: Any,
    models: Any,
    weights: Any,
    steps: Any,
    inverse_steps: Any,
    coefficients: Any,
    targets: Any,
    sizes: Any,
    samples: Any,
    profile: Any,
    ends: Any,
    reference: Any,
    reference_profile: Any,
    reference_ends: Any,
    plane: Any,
    reference_kind: Any,
    codes_sizes: Any,
    voters: Any,
    rounding: Any,
) -> Any:
    """Codes a plane."""
    decoding = coder[MODE] == DECODE
    units_y, units_x = sizes.shape
    plane_class = min(plane, 1)
    contexts = np.zeros(8, np.uint64)  # unsigned: Numba need not ask for negative indices
    votes = np.zeros(8, np.int32)
    magnitudes = np.zeros(36 * 36, np.int32)
    work = np.zeros(1024, np.int32)
    middle = np.zeros(1024, np.int32)
    expected = np.zeros(64, np.int32)
    expected_class = np.zeros(64, np.int32)
    reference_class = np.zeros(64, np.int32)
    accumulated = np.zeros(64, np.int32)
    from_top = np.zeros(32, np.int64)
    from_left = np.zeros(32, np.int64)
    edge_top = np.zeros(32, np.int32)
    edge_left = np.zeros(32, np.int32)

    for square in range(((units_y + 3) >> 2) * ((units_x + 3) >> 2)):
        squares_x = (units_x + 3) >> 2
        top_y, top_x = (square // squares_x) * 4, (square % squares_x) * 4
        for place in range(16):
            # Z-order of the 8 x 8 units of a square.
            y8 = top_y + (place >> 3 & 1) * 2 + (place >> 1 & 1)
            x8 = top_x + (place >> 2 & 1) * 2 + (place & 1)
            if y8 >= units_y or x8 >= units_x:
                continue
            # --- the block's size
            if codes_sizes:
                if place == 0:
                    level = 2 if y8 + 4 <= units_y and x8 + 4 <= units_x else 1
                    if level == 2:
                        split = code_split(
                            coder, buffer, sizes, models, weights, contexts, votes, y8, x8, 2, plane_class
                        )
                        if split == 0:
                            sizes[y8 : y8 + 4, x8 : x8 + 4] = 2
                        elif decoding:
                            sizes[y8 : y8 + 4, x8 : x8 + 4] = 0
                    elif decoding:
                        sizes[y8 : min(y8 + 4, units_y), x8 : min(x8 + 4, units_x)] = 0
                if place & 3 == 0 and sizes[y8, x8] < 2 and y8 + 2 <= units_y and x8 + 2 <= units_x:
                    split = code_split(
                        coder, buffer, sizes, models, weights, contexts, votes, y8, x8, 1, plane_class
                    )
                    if split == 0:
                        sizes[y8 : y8 + 2, x8 : x8 + 2] = 1
            level = np.int64(sizes[y8, x8])
            if (level == 2 and place != 0) or (level == 1 and place & 3 != 0):
                continue
            units = 1 << level
            size = 8 << level
            y, x = y8 * 8, x8 * 8
            kind = plane_class * 3 + level

            # --- how many coefficients
            count = 0
            if not decoding:
                for i in range((64 << 2 * level) - 1, 0, -1):
                    position = SCANS[level, i]
                    if coefficients[y + (position >> 5), x + (position & 31)] != 0:
                        count = i + 1
                        break
            bucket = np.int64(BUCKET_OF[count])

            # --- the edges: mean predictions first, as they may decide whether anything is coded
            has_top, has_left = y8 > 0, x8 > 0
            mean_top = np.int64(0)
            mean_left = np.int64(0)
            if has_top:
                for n in range(size):
                    edge_top[n] = samples[y - 1, x + n]
                    mean_top += edge_top[n]
            if has_left:
                for n in range(size):
                    edge_left[n] = samples[y + n, x - 1]
                    mean_left += edge_left[n]
            # --- neighbours' ends
            first, last = units >> 2, 3 * units >> 2
            end_left = np.int64(ends[y8 + first, x8 - 1]) if has_left else 13
            end_top = np.int64(ends[y8 - 1, x8 + first]) if has_top else 13
            end_reference = 0
            if reference_kind:
                shift = reference_kind - 1
                end_reference = np.int64(reference_ends[(y8 + first) << shift, (x8 + first) << shift])
            residual = np.int64(0)
            if not decoding and count == 0:
                residual = mean_residual(
                    targets[y8, x8],
                    mean_prediction(has_top, has_left, mean_top, mean_left),
                    np.int64(steps[level * 1024]),
                    rounding,
                )
                if residual != 0:
                    bucket = np.int64(1)
            node = 1
            deepest = 12 + 4 * level
            for i in range(4, -1, -1):
                contexts[0] = _END + (((kind * 22 + end_left) * 4 + 0) << 5) + node
                contexts[1] = _END + (((kind * 22 + end_top) * 4 + 1) << 5) + node
                contexts[2] = _END + (((kind * 22 + end_reference) * 4 + 2) << 5) + node
                contexts[3] = _END + (((kind * 22 + ((end_left + end_top) >> 1)) * 4 + 3) << 5) + node
                bit = vote(
                    coder,
                    buffer,
                    bucket >> i & 1,
                    models,
                    weights,
                    contexts,
                    votes,
                    4,
                    END_SETS + kind * 5 + i,
                )
                node = node << 1 | bit
            bucket = min(node - 32, deepest)
            count = np.int64(BUCKETS[bucket])
            limit = np.int64(EXTENTS[level, bucket])

            # --- what is expected at each frequency
            for i in range(64):
                accumulated[i] = 0
            if bucket > 1:
                sides = 0
                for i in range(64):
                    expected[i] = 0
                if has_left:
                    sides += 1
                    a, b = y8 + first, y8 + last
                    for i in range(64):
                        expected[i] += np.int32(profile[a, x8 - 1, i]) + np.int32(profile[b, x8 - 1, i])
                if has_top:
                    sides += 1
                    a, b = x8 + first, x8 + last
                    for i in range(64):
                        expected[i] += np.int32(profile[y8 - 1, a, i]) + np.int32(profile[y8 - 1, b, i])
                scale = 3 - sides  # one side counts twice
                for i in range(64):
                    u, v = i >> 3, i & 7
                    near = 2 * expected[i]
                    near += expected[i + 8] if u < 7 else expected[i]
                    near += expected[i + 1] if v < 7 else expected[i]
                    expected_class[i] = EXPECTED[min((near * scale) >> 4, 255)]
                if reference_kind:
                    shift = reference_kind - 1
                    a, b = (y8 + first) << shift, (x8 + first) << shift
                    for i in range(64):
                        cell = (i >> 3 >> shift) * 8 + ((i & 7) >> shift)
                        reference_class[i] = REFERENCE[reference_profile[a, b, cell]]
                # --- the edges' frequencies
                for v in range(limit if voters == VOTERS else 1):
                    from_top[v] = 0
                    from_left[v] = 0
                    if has_top:
                        total = np.int64(0)
                        for n in range(size):
                            total += np.int64(EDGE[level, v, n]) * np.int64(edge_top[n])
                        from_top[v] = total >> 12
                    if has_left:
                        total = np.int64(0)
                        for n in range(size):
                            total += np.int64(EDGE[level, v, n]) * np.int64(edge_left[n])
                        from_left[v] = total >> 12
            else:
                from_top[0] = mean_top
                from_left[0] = mean_left
            rows, columns = 1, 1
            for i in range(limit):
                for j in range(limit):
                    work[i * 32 + j] = 0
                for j in range(limit + 2):
                    magnitudes[i * 36 + j] = 0
            for j in range(limit + 2):
                magnitudes[limit * 36 + j] = 0
                magnitudes[(limit + 1) * 36 + j] = 0

            # --- the coefficients but the mean, from the highest frequency to the lowest
            agreement = 0
            for i in range(count - 1, 0, -1):
                position = np.int64(SCANS[level, i])
                u, v = position >> 5, position & 31
                at = u * 36 + v
                a, b = magnitudes[at + 1], magnitudes[at + 36]
                c, d, e = magnitudes[at + 37], magnitudes[at + 2], magnitudes[at + 72]
                local = 2 * (a + b) + c + d + e
                near = np.int64(LOCAL[min(local, 127)])
                coarse = np.int64(COARSE[min(local, 127)])
                cell = (u >> level) * 8 + (v >> level)
                ahead = np.int64(expected_class[cell])
                inverse_step = np.int64(inverse_steps[level * 1024 + position])
                other = np.int64(0)
                known = np.int64(0)
                if reference_kind == 1:
                    other = np.int64(reference[y + u, x + v])
                    known = 1 + min(abs(other), 2)
                if reference_kind:
                    known += 4 * reference_class[cell]
                diagonal = np.int64(DIAGONAL[u + v])
                pattern = ((min(a, 3) * 4 + min(b, 3)) * 3 + min(c, 2)) * 9 + min(d, 2) * 3 + min(e, 2)
                contexts[0] = _POSITION + ((kind * 100 + FREQUENCY[u] * 10 + FREQUENCY[v]) * 4 + coarse) * 8
                contexts[1] = _EXPECTED + ((kind * 12 + near) * 12 + ahead) * 8
                contexts[2] = _PATTERN + (kind * 432 + pattern) * 8
                contexts[3] = _REFERENCE + (((plane_class * 12 + diagonal) * 12 + ahead) * 16 + known) * 8
                if voters == VOTERS:
                    top_place = min(u, 4) * 3 + (0 if v == 0 else 1 if v < 4 else 2)
                    left_place = min(v, 4) * 3 + (0 if u == 0 else 1 if u < 4 else 2)
                    top_rest = from_top[v] if has_top and u < 4 else np.int64(0)
                    left_rest = from_left[u] if has_left and v < 4 else np.int64(0)
                    top_level = np.int64(EDGE_LEVEL[min(abs(top_rest) * inverse_step >> 16, 63)])
                    left_level = np.int64(EDGE_LEVEL[min(abs(left_rest) * inverse_step >> 16, 63)])
                    contexts[4] = _ENDING + ((kind * 21 + bucket) * 16 + SCAN_CLASS[i]) * 8
                    contexts[5] = _TOP + (((kind * 15 + top_place) * 8 + top_level) * 4 + coarse) * 8
                    contexts[6] = _LEFT + (((kind * 15 + left_place) * 8 + left_level) * 4 + coarse) * 8
                    contexts[7] = (
                        _AROUND
                        + ((kind * 12 + diagonal) * 48 + (0 if known == 0 else (known & 3)) * 12 + near) * 8
                    )
                value = np.int64(0) if decoding else np.int64(coefficients[y + u, x + v])
                group = 0 if near == 0 else 1 if near < 5 else 2
                magnitude = code_magnitude(
                    coder,
                    buffer,
                    abs(value),
                    models,
                    weights,
                    contexts,
                    votes,
                    voters,
                    (kind * 2 * DECISIONS * 3 if voters == VOTERS else LIGHT_SETS + kind * DECISIONS * 3)
                    + group,
                    plane_class,
                )
                if magnitude == 0:
                    continue
                # --- its sign
                negative = 1 if value < 0 else 0
                if voters == VOTERS:
                    top_sign = top_level + 8 if top_rest >= 0 else 7 - top_level
                    left_sign = left_level + 8 if left_rest >= 0 else 7 - left_level
                    contexts[0] = _SIGN + ((plane_class * 15 + top_place) * 16 + top_sign) * 3
                    contexts[1] = _SIGN + ((plane_class * 15 + left_place) * 16 + left_sign) * 3 + 1
                    direction = 0 if other == 0 else 1 if other > 0 else 2
                    trend = min(max(agreement, -2), 2) + 2
                    contexts[2] = (
                        _SIGN + ((plane_class * 15 + direction * 5 + trend) * 16 + min(abs(other), 3)) * 3 + 2
                    )
                    negative = vote(
                        coder,
                        buffer,
                        negative,
                        models,
                        weights,
                        contexts,
                        votes,
                        3,
                        SIGN_SETS + kind * 2 + (1 if other else 0),
                    )
                else:
                    negative = code_bit(coder, buffer, negative, 32768)
                magnitude = min(magnitude, 32767)
                if decoding:
                    value = -magnitude if negative else magnitude
                    coefficients[y + u, x + v] = value
                if other:
                    agreement += 1 if (other < 0) == (negative == 1) else -1
                restored = min(magnitude * np.int64(steps[level * 1024 + position]) >> 4, _CLIP)
                if negative:
                    restored = -restored
                work[position] = restored
                share = restored * _ROOT_2 >> 12
                from_top[v] -= share
                from_left[u] -= share
                magnitudes[at] = min(magnitude, 63)
                accumulated[cell] += min(magnitude, 15) << (4 - 2 * level)
                rows = max(rows, u + 1)
                columns = max(columns, v + 1)

            # --- the mean
            prediction = mean_prediction(has_top, has_left, from_top[0], from_left[0])
            step = np.int64(steps[level * 1024])
            if bucket > 0:
                if not decoding:
                    residual = mean_residual(targets[y8, x8], prediction, step, rounding)
                spread = np.int64(9)
                if has_top and has_left:
                    spread = np.int64(
                        EDGE_LEVEL[
                            min(
                                abs(from_top[0] - from_left[0]) * np.int64(inverse_steps[level * 1024]) >> 17,
                                63,
                            )
                        ]
                    )
                elif has_top or has_left:
                    spread = np.int64(8)
                local = (
                    np.int64(
                        LOCAL[
                            min(
                                2 * (magnitudes[1] + magnitudes[36])
                                + magnitudes[37]
                                + magnitudes[2]
                                + magnitudes[72],
                                127,
                            )
                        ]
                    )
                    if bucket > 1
                    else np.int64(0)
                )
                known = np.int64(0)
                other = np.int64(0)
                if reference_kind == 1:
                    other = np.int64(reference[y, x])
                    known = 1 + min(abs(other), 2)
                contexts[0] = _MEAN + (((kind * 10 + spread) * 12 + local) * 4 + known) * 8
                contexts[1] = _ENDING + ((kind * 21 + bucket) * 16) * 8
                contexts[2] = _PATTERN + (kind * 432 + 431 - spread) * 8
                magnitude = code_magnitude(
                    coder,
                    buffer,
                    abs(residual),
                    models,
                    weights,
                    contexts,
                    votes,
                    3,
                    (kind * 2 + 1) * DECISIONS * 3,
                    plane_class,
                )
                if magnitude:
                    direction = 0 if other == 0 else 1 if other > 0 else 2
                    trend = min(max(agreement, -2), 2) + 2
                    contexts[0] = (
                        _SIGN
                        + ((plane_class * 15 + direction * 5 + trend) * 16 + min(abs(other), 3) + 4) * 3
                        + 2
                    )
                    negative = vote(
                        coder,
                        buffer,
                        1 if residual < 0 else 0,
                        models,
                        weights,
                        contexts,
                        votes,
                        1,
                        SIGN_SETS + kind * 2,
                    )
                    residual = -magnitude if negative else magnitude
                else:
                    residual = np.int64(0)
            coefficients[y, x] = min(max(residual, -32767), 32767)
            change = abs(residual) * step >> 4
            work[0] = min(max(prediction + (change if residual >= 0 else -change), -_CLIP), _CLIP)

            # --- samples, and what later blocks want to know
            if bucket > 1:
                inverse_transform(work, middle, level, rows, columns)
                for i in range(size):
                    for j in range(size):
                        samples[y + i, x + j] = min(max(work[i * 32 + j], -2048), 2047)
            else:
                flat = (np.int64(INVERSE[level, 0, 0]) * work[0] + 128) >> 8
                flat = (flat * np.int64(INVERSE[level, 0, 0]) + 32768) >> 16
                flat = min(max(flat, -2048), 2047)
                for i in range(size):
                    for j in range(size):
                        samples[y + i, x + j] = flat
            end = 0 if bucket == 0 else max(bucket - 4 * level, 1)
            for i in range(units):
                for j in range(units):
                    ends[y8 + i, x8 + j] = end
                    for k in range(64):
                        profile[y8 + i, x8 + j, k] = min(accumulated[k], 255)


@compiled
def mean_prediction(has_top: Any, has_left: Any, mean_top: Any, mean_left: Any) -> Any:
    """Returns the coefficient 0 that the edges predict, a multiple of 16."""
    if has_top and has_left:
        prediction = (mean_top + mean_left) >> 1
    elif has_top:
        prediction = mean_top
    elif has_left:
        prediction = mean_left
    else:
        prediction = np.int64(0)
    return (prediction + 8) >> 4 << 4


@compiled
def mean_residual(target: Any, prediction: Any, step: Any, rounding: Any) -> Any:
    """Returns the quantised difference of two coefficients; `rounding` of 128 is to nearest, less favours 0."""
    difference = np.int64(target) - prediction
    magnitude = (abs(difference) * 4096 + step * rounding) // (step * 256)
    return magnitude if difference >= 0 else -magnitude


@compiled
def code_split(
    coder: Any,
    buffer: Any,
    sizes: Any,
    models: Any,
    weights: Any,
    contexts: Any,
    votes: Any,
    y8: Any,
    x8: Any,
    level: Any,
    plane_class: Any,
) -> Any:
    """Codes whether a square is split, and returns it."""
    left = np.int64(sizes[y8, x8 - 1]) if x8 > 0 else 3
    top = np.int64(sizes[y8 - 1, x8]) if y8 > 0 else 3
    kind = plane_class * 2 + level - 1
    contexts[0] = _SPLIT + kind * 16 + left * 4 + top
    contexts[1] = _SPLIT + 64 + kind * 4 + left
    contexts[2] = _SPLIT + 80 + kind * 4 + top
    split = 1 if sizes[y8, x8] < level else 0
    return vote(coder, buffer, split, models, weights, contexts, votes, 3, SPLIT_SETS + kind)

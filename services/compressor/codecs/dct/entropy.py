"""Codes a plane's blocks: quantised coefficients to bits and samples, or bits to coefficients and samples.

Encoder and decoder run the same code. Blocks come in raster order of 32 x 32 squares, which hold one block
of 32, or quarters with one of 16 or quarters of 8. Both sides reconstruct each block at once, since the
edges of the blocks to the left and above tell of its means and slopes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from services.compressor.codecs.coding import inner, lean
from services.compressor.codecs.coding.coder import DECODE, MODE
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
from services.compressor.codecs.dct.contexts import BASES, END_SETS, SPLIT_SETS
from services.compressor.codecs.dct.frequencies import CLIP, code_frequencies, code_mean
from services.compressor.codecs.dct.light import code_light_frequencies, finish_light_block
from services.compressor.codecs.dct.scan import BUCKET_OF, BUCKETS, EXTENTS, SCANS
from services.compressor.codecs.dct.surroundings import (
    expect,
    mean_prediction,
    read_edges,
    transform_edges,
)
from services.compressor.codecs.dct.transforms import INVERSE, inverse_transform
from services.compressor.codecs.dct.voting import vote_3, vote_4

_END, _SPLIT = BASES["end"], BASES["split"]


@lean
def code_plane(
    coding: Any,
    room: Any,
    plane: Any,
    other: Any,
    steps: Any,
    number: Any,
    reference_kind: Any,
    codes_sizes: Any,
    is_light: Any,
    rounding: Any,
) -> Any:
    """Codes a plane.

    Args:
        coding: State of the coder.
        room: From `blocks.new_room`.
        plane: Its blocks; a decoder fills them.
        other: Blocks of the plane before.
        steps: Its quantiser.
        number: Of the plane.
        reference_kind: What `other` is to it: 0 nothing, 1 a plane of this size, 2 of twice the size.
        codes_sizes: Whether sizes are coded; else they are known.
        is_light: Whether blocks are those of `light`.
        rounding: That of `mean_residual`.
    """
    at = room.at
    at[PLANE_CLASS], at[REFERENCE_KIND] = min(number, 1), reference_kind
    units_y, units_x = plane.sizes.shape
    squares_x = (units_x + 3) >> 2
    for square in range(((units_y + 3) >> 2) * squares_x):
        for place in range(16):
            # Z-order of the 8 x 8 units of a square.
            y8 = (square // squares_x) * 4 + (place >> 3 & 1) * 2 + (place >> 1 & 1)
            x8 = (square % squares_x) * 4 + (place >> 2 & 1) * 2 + (place & 1)
            if y8 >= units_y or x8 >= units_x:
                continue
            if codes_sizes and place & 3 == 0:
                code_sizes(coding, plane.sizes, y8, x8, place, at[PLANE_CLASS])
            level = np.int64(plane.sizes[y8, x8])
            if (level == 2 and place != 0) or (level == 1 and place & 3 != 0):
                continue
            at[Y8], at[X8], at[LEVEL], at[KIND] = y8, x8, level, at[PLANE_CLASS] * 3 + level
            at[HAS_TOP], at[HAS_LEFT] = np.int64(y8 > 0), np.int64(x8 > 0)
            code_block(coding, room, plane, other, steps, rounding, is_light)


@inner
def code_sizes(coding: Any, sizes: Any, y8: Any, x8: Any, place: Any, plane_class: Any) -> Any:
    """Codes what begins at the first unit of a square or of a quarter: a block of that size, or smaller ones."""
    units_y, units_x = sizes.shape
    decoding = coding.coder[MODE] == DECODE
    if place == 0:
        fits = y8 + 4 <= units_y and x8 + 4 <= units_x
        if fits and code_split(coding, sizes, y8, x8, np.int64(2), plane_class) == 0:
            set_sizes(sizes, y8, x8, np.int64(4), 2)
        elif decoding:
            set_sizes(sizes, y8, x8, np.int64(4), 0)
    fits = y8 + 2 <= units_y and x8 + 2 <= units_x
    if sizes[y8, x8] < 2 and fits and code_split(coding, sizes, y8, x8, np.int64(1), plane_class) == 0:
        set_sizes(sizes, y8, x8, np.int64(2), 1)


@inner
def set_sizes(sizes: Any, y8: Any, x8: Any, units: Any, level: Any) -> Any:
    """Sets the level of so many units down and across, as far as there are any."""
    for y in range(y8, min(y8 + units, sizes.shape[0])):
        for x in range(x8, min(x8 + units, sizes.shape[1])):
            sizes[y, x] = level


@inner
def code_split(coding: Any, sizes: Any, y8: Any, x8: Any, level: Any, plane_class: Any) -> Any:
    """Codes whether a square is split, and returns it."""
    left = np.int64(sizes[y8, x8 - 1]) if x8 > 0 else 3
    top = np.int64(sizes[y8 - 1, x8]) if y8 > 0 else 3
    kind = plane_class * 2 + level - 1
    coding.contexts[0] = _SPLIT + kind * 16 + left * 4 + top
    coding.contexts[1] = _SPLIT + 64 + kind * 4 + left
    coding.contexts[2] = _SPLIT + 80 + kind * 4 + top
    return vote_3(coding, np.int64(sizes[y8, x8] < level), SPLIT_SETS + kind)


@inner
def code_block(
    coding: Any, room: Any, plane: Any, other: Any, steps: Any, rounding: Any, is_light: Any
) -> Any:
    """Codes the block that `room.at` names and reconstructs it."""
    at, work = room.at, room.work
    decoding = coding.coder[MODE] == DECODE
    y8, x8, level = at[Y8], at[X8], at[LEVEL]
    step = np.int64(steps.steps[level * 1024])
    read_edges(room, plane.samples)
    residual, bucket = np.int64(0), np.int64(0)
    if not decoding:
        bucket = np.int64(BUCKET_OF[count_coefficients(plane.coefficients, y8 * 8, x8 * 8, level)])
        if bucket == 0:
            residual = mean_residual(plane.targets[y8, x8], mean_prediction(room), step, rounding)
            bucket = np.int64(residual != 0)
    bucket = code_end(coding, room, plane.ends, other.ends, bucket)
    at[BUCKET], at[COUNT] = bucket, BUCKETS[bucket]
    at[AGREEMENT], at[ROWS], at[COLUMNS] = 0, 1, 1
    if is_light:
        code_light_frequencies(coding, room, plane, other, steps, decoding)
    else:
        if bucket > 1:
            expect(room, plane.profile, other.profile)
            transform_edges(room, np.int64(EXTENTS[level, bucket]))
        clear(room, np.int64(EXTENTS[level, bucket]))
        code_frequencies(coding, room, plane, other.coefficients, steps, decoding)
    prediction = mean_prediction(room)
    if bucket > 0:
        if not decoding:
            residual = mean_residual(plane.targets[y8, x8], prediction, step, rounding)
        residual = code_mean(coding, room, other.coefficients, steps, residual)
    plane.coefficients[y8 * 8, x8 * 8] = min(max(residual, -32767), 32767)
    change = abs(residual) * step >> 4
    work[0] = min(max(prediction + (change if residual >= 0 else -change), -CLIP), CLIP)
    finish_block(room, plane, is_light)


@inner
def count_coefficients(coefficients: Any, y: Any, x: Any, level: Any) -> Any:
    """Returns the place behind the last coefficient of the scan that is not 0; the mean does not count."""
    for i in range((64 << 2 * level) - 1, 0, -1):
        position = SCANS[level, i]
        if coefficients[y + (position >> 5), x + (position & 31)] != 0:
            return i + 1
    return 0


@inner
def code_end(coding: Any, room: Any, ends: Any, other_ends: Any, bucket: Any) -> Any:
    """Codes a block's bucket and returns it."""
    at, contexts = room.at, coding.contexts
    y8, x8, kind = at[Y8], at[X8], at[KIND]
    middle = (1 << at[LEVEL]) >> 2
    left = np.int64(ends[y8 + middle, x8 - 1]) if at[HAS_LEFT] else np.int64(13)
    top = np.int64(ends[y8 - 1, x8 + middle]) if at[HAS_TOP] else np.int64(13)
    other = np.int64(0)
    if at[REFERENCE_KIND]:
        shift = at[REFERENCE_KIND] - 1
        other = np.int64(other_ends[(y8 + middle) << shift, (x8 + middle) << shift])
    node = np.int64(1)
    for i in range(4, -1, -1):
        contexts[0] = _END + (((kind * 22 + left) * 4 + 0) << 5) + node
        contexts[1] = _END + (((kind * 22 + top) * 4 + 1) << 5) + node
        contexts[2] = _END + (((kind * 22 + other) * 4 + 2) << 5) + node
        contexts[3] = _END + (((kind * 22 + ((left + top) >> 1)) * 4 + 3) << 5) + node
        node = node << 1 | vote_4(coding, bucket >> i & 1, END_SETS + kind * 5 + i)
    return min(node - 32, 12 + 4 * at[LEVEL])


@inner
def clear(room: Any, limit: Any) -> Any:
    """Forgets the block before, as far as this one's coefficients reach."""
    for i in range(64):
        room.sums[i] = 0
    for i in range(limit + 2):
        for j in range(limit + 2):
            room.magnitudes[i * 36 + j] = 0
    for i in range(limit):
        for j in range(limit):
            room.work[i * 32 + j] = 0


@inner
def mean_residual(target: Any, prediction: Any, step: Any, rounding: Any) -> Any:
    """Returns the quantised difference of two coefficients; `rounding` of 128 is to nearest, less favours 0."""
    difference = np.int64(target) - prediction
    magnitude = (abs(difference) * 4096 + step * rounding) // (step * 256)
    return magnitude if difference >= 0 else -magnitude


@inner
def finish_block(room: Any, plane: Any, is_light: Any) -> Any:
    """Writes a block's samples and what later blocks want to know of it."""
    at, work = room.at, room.work
    y8, x8, level, bucket = at[Y8], at[X8], at[LEVEL], at[BUCKET]
    y, x, size, units = y8 * 8, x8 * 8, 8 << level, 1 << level
    if bucket > 1 and is_light:
        finish_light_block(room, plane)
    elif bucket > 1:
        inverse_transform(work, room.middle, level, at[ROWS], at[COLUMNS])
        for i in range(size):
            for j in range(size):
                plane.samples[y + i, x + j] = min(max(work[i * 32 + j], -2048), 2047)
    else:
        flat = (np.int64(INVERSE[level, 0, 0]) * work[0] + 128) >> 8
        flat = (flat * np.int64(INVERSE[level, 0, 0]) + 32768) >> 16
        flat = min(max(flat, -2048), 2047)
        for i in range(size):
            for j in range(size):
                plane.samples[y + i, x + j] = flat
    end = 0 if bucket == 0 else max(bucket - 4 * level, 1)
    for i in range(units):
        for j in range(units):
            plane.ends[y8 + i, x8 + j] = end
            for k in range(0 if is_light else 64):
                plane.profile[y8 + i, x8 + j, k] = min(room.sums[k], 255)

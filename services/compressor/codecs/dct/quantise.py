"""Chooses the sizes of blocks and the quantised coefficients by rate and distortion.

Costs are squared errors in quantiser steps plus LAGRANGE times bits. Bits are what coefficients cost on
average in training, by size, frequency and the magnitudes beside them (see `priors`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from services.compressor.codecs.coding import compiled, inner
from services.compressor.codecs.dct.contexts import DIAGONAL, LOCAL
from services.compressor.codecs.dct.scan import BUCKET_OF, BUCKETS, SCANS
from services.compressor.codecs.dct.transforms import forward_transform


@inner
def quantise_block(
    transformed: Any,
    level: Any,
    kind: Any,
    inverse_steps: Any,
    lagrange: Any,
    rates: Any,
    end_rates: Any,
    quantised: Any,
    magnitudes: Any,
    prefix: Any,
) -> Any:
    """Quantises a block's coefficients but the mean, and returns the cost.

    Args:
        transformed: float32 [1024].
        quantised: int32 [1024], the result, in the same places; position 0 is left alone.
        prefix: float32 [21], room.
    """
    count = 64 << 2 * level
    size = 8 << level
    base = level * 1024
    last = 0
    total_error = np.float32(0.0)
    tail_error = np.float32(0.0)
    for i in range(1, count):
        position = SCANS[level, i]
        x = transformed[position] * inverse_steps[base + position]
        square = x * x
        total_error += square
        quantised[position] = 0
        if square > 0.36:
            last = i
            tail_error = total_error
    tail_error = total_error - tail_error
    if last == 0:
        return total_error + lagrange * end_rates[kind, 0]
    for i in range(size + 2):
        for j in range(size + 2):
            magnitudes[i * 36 + j] = 0
    # From the highest frequency: cost of coding from here on, against what dropping it would leave.
    coded = np.float32(0.0)
    dropped = tail_error
    bucket = np.int64(BUCKET_OF[last + 1])
    best_cost = np.float32(1e30)
    best_bucket = 0
    lower = np.int64(BUCKETS[bucket - 1])
    prefix[bucket] = coded - dropped
    for i in range(last, 0, -1):
        if i < lower:
            bucket -= 1
            prefix[bucket] = coded - dropped
            lower = np.int64(BUCKETS[bucket - 1])
        position = np.int64(SCANS[level, i])
        u, v = position >> 5, position & 31
        at = u * 36 + v
        local = (
            2 * (magnitudes[at + 1] + magnitudes[at + 36])
            + magnitudes[at + 37]
            + magnitudes[at + 2]
            + magnitudes[at + 72]
        )
        near = LOCAL[min(local, 127)]
        diagonal = DIAGONAL[u + v]
        value = transformed[position] * inverse_steps[base + position]
        x = abs(value)
        dropped += x * x
        zero_cost = x * x + lagrange * rates[kind, diagonal, near, 0]
        if x < 0.5:
            coded += zero_cost
            continue
        low = np.int64(x)
        best = low
        cost = np.float32(0.0)
        if low == 0:
            cost = zero_cost
        else:
            cost = (x - low) * (x - low) + lagrange * rates[kind, diagonal, near, min(low, 15)]
            if low > 15:
                cost += lagrange * 2 * np.log2(low / np.float32(15.0))
        high_cost = (low + 1 - x) * (low + 1 - x) + lagrange * rates[kind, diagonal, near, min(low + 1, 15)]
        if low + 1 > 15:
            high_cost += lagrange * 2 * np.log2((low + 1) / np.float32(15.0))
        if high_cost < cost:
            best, cost = low + 1, high_cost
        if low == 1 and zero_cost < cost:
            best, cost = 0, zero_cost
        coded += cost
        if best:
            magnitudes[at] = min(best, 63)
            best = min(best, 32767)
            quantised[position] = best if value > 0 else -best
    # prefix[b] = (coded - dropped) of all at or behind BUCKETS[b]: cutting there saves it.
    top = np.int64(BUCKET_OF[last + 1])
    for b in range(1, top + 1):
        saved = prefix[b] if b > 1 else coded - dropped
        cost = total_error + (coded - dropped) - saved + lagrange * end_rates[kind, b if b > 1 else 0]
        if cost < best_cost:
            best_cost = cost
            best_bucket = b
    for i in range(BUCKETS[best_bucket], last + 1):
        quantised[SCANS[level, i]] = 0
    return best_cost


@inner
def mean_cost(samples: Any, y: Any, x: Any, size: Any, mean: Any, inverse_step: Any) -> Any:
    """Returns the bits that a block's mean takes, from how far it is from the rows beside it."""
    total = np.float32(0.0)
    sides = 0
    if y > 0:
        for n in range(size):
            total += samples[y - 1, x + n]
        sides += 1
    if x > 0:
        for n in range(size):
            total += samples[y + n, x - 1]
        sides += 1
    if sides == 2:
        total *= np.float32(0.5)
    distance = abs(mean - total) * inverse_step
    return np.float32(0.6) + np.float32(2.2) * np.log2(np.float32(1.0) + distance)


@compiled
def choose_blocks(
    samples: Any,
    inverse_steps: Any,
    lagrange: Any,
    kind: Any,
    max_level: Any,
    rates: Any,
    end_rates: Any,
    sizes: Any,
    coefficients: Any,
    targets: Any,
) -> Any:
    """Chooses a plane's sizes and coefficients.

    Args:
        samples: float32 [8 units_y, 8 units_x], around 0.
        kind: 0 for luma, 3 for the others.
        max_level: 0, 1 or 2: the largest size allowed is 8, 16 or 32.
        sizes: uint8 [units_y, units_x], the result: level of the block at each unit.
        coefficients: int16, like samples, the result.
        targets: int32 like sizes, the result: exact coefficient 0 of the block that begins here, times 16.
    """
    units_y, units_x = sizes.shape
    transformed = np.zeros(1024, np.float32)
    middle = np.zeros(1024, np.float32)
    magnitudes = np.zeros(36 * 36, np.int32)
    prefix = np.zeros(22, np.float32)
    quantised = np.zeros((21, 1024), np.int32)
    costs = np.zeros(21, np.float32)
    means = np.zeros(21, np.float32)
    for square_y in range(0, units_y, 4):
        for square_x in range(0, units_x, 4):
            for level in range(max_level + 1):
                units = 1 << level
                first = 0 if level == 0 else 16 if level == 1 else 20
                across = 4 >> level
                for block in range(across * across):
                    y8 = square_y + (block // across) * units
                    x8 = square_x + (block % across) * units
                    slot = first + block
                    costs[slot] = np.float32(1e30)
                    if y8 + units > units_y or x8 + units > units_x:
                        if level == 0:
                            costs[slot] = np.float32(0.0)
                        continue
                    forward_transform(samples, y8 * 8, x8 * 8, level, middle, transformed)
                    means[slot] = transformed[0]
                    cost = quantise_block(
                        transformed,
                        level,
                        kind + level,
                        inverse_steps,
                        lagrange,
                        rates,
                        end_rates,
                        quantised[slot],
                        magnitudes,
                        prefix,
                    )
                    costs[slot] = cost + lagrange * mean_cost(
                        samples, y8 * 8, x8 * 8, 8 * units, transformed[0], inverse_steps[level * 1024]
                    )
            # Sizes from the smallest up.
            whole = np.float32(0.0)
            for quarter in range(4):
                qy, qx = quarter >> 1, quarter & 1
                four = np.float32(0.0)
                for i in range(2):
                    for j in range(2):
                        four += costs[(qy * 2 + i) * 4 + qx * 2 + j]
                joined = max_level >= 1 and costs[16 + quarter] < four + lagrange * np.float32(0.7)
                whole += costs[16 + quarter] if joined else four
                for i in range(2):
                    for j in range(2):
                        y8, x8 = square_y + qy * 2 + i, square_x + qx * 2 + j
                        if y8 < units_y and x8 < units_x:
                            sizes[y8, x8] = 1 if joined else 0
            if max_level >= 2 and costs[20] < whole + lagrange * np.float32(2.0):
                sizes[square_y : square_y + 4, square_x : square_x + 4] = 2
            for place in range(16):
                y8, x8 = square_y + (place >> 2), square_x + (place & 3)
                if y8 >= units_y or x8 >= units_x:
                    continue
                level = np.int64(sizes[y8, x8])
                if (place >> 2) & ((1 << level) - 1) or (place & 3) & ((1 << level) - 1):
                    continue
                slot = place if level == 0 else 16 + (place >> 3) * 2 + (place >> 1 & 1) if level == 1 else 20
                targets[y8, x8] = np.int32(np.floor(means[slot] * np.float32(16.0) + np.float32(0.5)))
                size = 8 << level
                for u in range(size):
                    for v in range(size):
                        coefficients[y8 * 8 + u, x8 * 8 + v] = quantised[slot, u * 32 + v]
                coefficients[y8 * 8, x8 * 8] = 0


@compiled
def quantise_blocks(
    samples: Any,
    inverse_steps: Any,
    lagrange: Any,
    kind: Any,
    rates: Any,
    end_rates: Any,
    sizes: Any,
    coefficients: Any,
    targets: Any,
) -> Any:
    """Chooses a plane's coefficients like `choose_blocks`, for sizes that are given."""
    units_y, units_x = sizes.shape
    transformed = np.zeros(1024, np.float32)
    middle = np.zeros(1024, np.float32)
    magnitudes = np.zeros(36 * 36, np.int32)
    prefix = np.zeros(22, np.float32)
    quantised = np.zeros(1024, np.int32)
    for y8 in range(units_y):
        for x8 in range(units_x):
            level = int(np.int64(sizes[y8, x8]))
            if y8 & ((1 << level) - 1) or x8 & ((1 << level) - 1):
                continue
            forward_transform(samples, y8 * 8, x8 * 8, level, middle, transformed)
            quantise_block(
                transformed,
                level,
                kind + level,
                inverse_steps,
                lagrange,
                rates,
                end_rates,
                quantised,
                magnitudes,
                prefix,
            )
            targets[y8, x8] = np.int32(np.floor(transformed[0] * np.float32(16.0) + np.float32(0.5)))
            size = 8 << level
            for u in range(size):
                for v in range(size):
                    coefficients[y8 * 8 + u, x8 * 8 + v] = quantised[u * 32 + v]
            coefficients[y8 * 8, x8 * 8] = 0

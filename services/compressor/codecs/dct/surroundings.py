"""What the blocks around a block tell of it: its edges, and which magnitudes to expect."""

from __future__ import annotations

from typing import Any

import numpy as np

from services.compressor.codecs.coding import inner
from services.compressor.codecs.dct.blocks import (
    HAS_LEFT,
    HAS_TOP,
    LEVEL,
    REFERENCE_KIND,
    X8,
    Y8,
)
from services.compressor.codecs.dct.contexts import EXPECTED, REFERENCE
from services.compressor.codecs.dct.transforms import EDGE


@inner
def read_edges(room: Any, samples: Any) -> Any:
    """Reads the samples above and to the left; their sums are what they tell of the mean."""
    at = room.at
    y, x, size = at[Y8] * 8, at[X8] * 8, 8 << at[LEVEL]
    top, left = np.int64(0), np.int64(0)
    if at[HAS_TOP]:
        for n in range(size):
            room.edge_top[n] = samples[y - 1, x + n]
            top += room.edge_top[n]
    if at[HAS_LEFT]:
        for n in range(size):
            room.edge_left[n] = samples[y + n, x - 1]
            left += room.edge_left[n]
    room.from_top[0] = top
    room.from_left[0] = left


@inner
def mean_prediction(room: Any) -> Any:
    """Returns the coefficient 0 that the edges predict, a multiple of 16."""
    prediction = room.from_top[0] if room.at[HAS_TOP] else np.int64(0)
    if room.at[HAS_LEFT]:
        prediction += room.from_left[0]
        if room.at[HAS_TOP]:
            prediction >>= 1
    return (prediction + 8) >> 4 << 4


@inner
def transform_edges(room: Any, limit: Any) -> Any:
    """Turns the edges into the frequencies below `limit`."""
    at = room.at
    level = at[LEVEL]
    size = 8 << level
    for f in range(limit):
        top, left = np.int64(0), np.int64(0)
        if at[HAS_TOP]:
            for n in range(size):
                top += np.int64(EDGE[level, f, n]) * room.edge_top[n]
        if at[HAS_LEFT]:
            for n in range(size):
                left += np.int64(EDGE[level, f, n]) * room.edge_left[n]
        room.from_top[f] = top >> 12
        room.from_left[f] = left >> 12


@inner
def expect(room: Any, profile: Any, other_profile: Any) -> Any:
    """Sets the classes of the magnitudes to expect at each frequency."""
    at, sums = room.at, room.sums
    y8, x8, units = at[Y8], at[X8], 1 << at[LEVEL]
    first, last = units >> 2, 3 * units >> 2
    for i in range(64):
        sums[i] = 0
    if at[HAS_LEFT]:
        for i in range(64):
            sums[i] += np.int32(profile[y8 + first, x8 - 1, i]) + np.int32(profile[y8 + last, x8 - 1, i])
    if at[HAS_TOP]:
        for i in range(64):
            sums[i] += np.int32(profile[y8 - 1, x8 + first, i]) + np.int32(profile[y8 - 1, x8 + last, i])
    scale = 3 - at[HAS_TOP] - at[HAS_LEFT]  # one side counts twice
    for i in range(64):
        near = np.int64(2 * sums[i])
        near += sums[i + 8] if i < 56 else sums[i]
        near += sums[i + 1] if i & 7 < 7 else sums[i]
        room.ahead[i] = EXPECTED[min((near * scale) >> 4, 255)]
    if at[REFERENCE_KIND]:
        shift = at[REFERENCE_KIND] - 1
        a, b = (y8 + first) << shift, (x8 + first) << shift
        for i in range(64):
            cell = (i >> 3 >> shift) * 8 + ((i & 7) >> shift)
            room.other[i] = REFERENCE[other_profile[a, b, cell]]

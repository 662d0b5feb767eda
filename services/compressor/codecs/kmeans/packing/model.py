"""Codes the palette entries of an image bit by bit, by context mixing; docs/codecs/kmeans.md says how."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import SQUASH, STRETCH, code_bit, compiled
from services.compressor.codecs.coding.coder import Buffer, Coder
from services.compressor.codecs.coding.tables import RATES
from services.compressor.codecs.kmeans.packing.neighbours import CONTEXTS, contexts_of

_INPUTS = CONTEXTS + 1
"""One for each context, and one that is always the same."""
_COUNT_LIMIT = 255
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_KNOWS_NOTHING = np.int32(1 << 30)


@compiled
def code_indices(
    coder: Coder,
    buffer: Buffer,
    indices: npt.NDArray[np.uint8],
    colors: npt.NDArray[np.int64],
    bits: int,
    blocks_bits: int,
) -> None:
    """Codes an image's entries: reads them when encoding, sets them when decoding.

    Args:
        coder: State of the range coder.
        buffer: What it reads from or writes to.
        indices: Entries, [height, width], each below 2^bits.
        colors: The palette as RGBA, [256, 4].
        bits: Bits of an entry, 1..8.
        blocks_bits: Each context has 2^blocks_bits blocks of 8 models.
    """
    blocks = 1 << blocks_bits
    models = np.full((CONTEXTS * blocks, 8), _KNOWS_NOTHING, np.int32)
    weights = np.full((256 + 256, _INPUTS), 18000, np.int32)
    corrections = np.empty((1 << 16, 33), np.int32)
    for step in range(33):
        corrections[:, step] = SQUASH[min(128 * step, 4095)]
    contexts = np.zeros(CONTEXTS + 2, np.int64)
    held = np.zeros(CONTEXTS, np.int64)
    votes = np.zeros(_INPUTS, np.int32)
    votes[CONTEXTS] = 256
    for y in range(indices.shape[0]):
        for x in range(indices.shape[1]):
            contexts_of(indices, x, y, colors, contexts)
            entry = np.int64(indices[y, x])
            left = contexts[0] >> 8
            node = 1
            within = 1
            for depth in range(bits):
                if depth % 3 == 0:
                    _find_blocks(models, blocks_bits, contexts, node, held)
                    within = 1
                bit = int(entry >> (bits - 1 - depth) & 1)
                row = weights[node]
                other = weights[256 + (contexts[7] << 3 | depth)]
                bit = _code(
                    coder, buffer, bit, models, held, within, votes, row, other, corrections[left << 8 | node]
                )
                within = within << 1 | bit
                node = node << 1 | bit
            indices[y, x] = node & ((1 << bits) - 1)


@compiled
def _find_blocks(
    models: npt.NDArray[np.int32],
    blocks_bits: int,
    contexts: npt.NDArray[np.int64],
    node: int,
    held: npt.NDArray[np.int64],
) -> None:
    """Finds each context's block of models for the next three bits; a block of another context is emptied."""
    for i in range(CONTEXTS):
        key = np.uint64(contexts[i]) << np.uint64(11) | np.uint64(i << 8 | node)
        product = key * _GOLDEN
        product ^= product >> np.uint64(32)
        product *= _GOLDEN
        block = np.int64(i << blocks_bits) + np.int64(product >> np.uint64(64 - blocks_bits))
        check = np.int32(product >> np.uint64(8) & np.uint64(0x7FFFFFFF))
        held[i] = block
        if models[block, 0] != check:
            models[block, 0] = check
            for model in range(1, 8):
                models[block, model] = _KNOWS_NOTHING


@compiled
def _code(
    coder: Coder,
    buffer: Buffer,
    bit: int,
    models: npt.NDArray[np.int32],
    held: npt.NDArray[np.int64],
    within: int,
    votes: npt.NDArray[np.int32],
    one: npt.NDArray[np.int32],
    other: npt.NDArray[np.int32],
    correction: npt.NDArray[np.int32],
) -> int:
    """Codes one bit by the mean logit of two sets of weights, corrected by what came of such logits."""
    for i in range(CONTEXTS):
        votes[i] = STRETCH[models[held[i], within] >> 19]
    total, second = np.int32(0), np.int32(0)
    for i in range(_INPUTS):
        total = np.int32(total + (np.int32(votes[i] * one[i]) >> 8))
        second = np.int32(second + (np.int32(votes[i] * other[i]) >> 8))
    logit = min(max(np.int64(total) >> 8, -2047), 2047)
    other_logit = min(max(np.int64(second) >> 8, -2047), 2047)
    middle = (logit + other_logit) >> 1
    place = middle + 2048
    step, part = place >> 7, place & 127
    corrected = (correction[step] * (128 - part) + correction[step + 1] * part) >> 7
    chance = (np.int64(SQUASH[place]) + corrected) >> 1
    bit = code_bit(coder, buffer, bit, min(max(chance, 16), 65536 - 16))
    target = bit << 16
    error = np.int32((target - SQUASH[logit + 2048]) >> 2)
    other_error = np.int32((target - SQUASH[other_logit + 2048]) >> 2)
    for i in range(_INPUTS):
        change = np.int32(votes[i] * error) + np.int32(1 << 13)
        one[i] = min(max(np.int32(one[i] + (change >> 14)), np.int32(-65536)), np.int32(65536))
        change = np.int32(votes[i] * other_error) + np.int32(1 << 13)
        other[i] = min(max(np.int32(other[i] + (change >> 14)), np.int32(-65536)), np.int32(65536))
    nearer = step + (part >> 6)
    correction[nearer] += (target - correction[nearer]) >> 6
    for i in range(CONTEXTS):
        state = np.int64(models[held[i], within])
        count = state & 511
        chance = state >> 9
        chance += (bit * ((1 << 22) - 1) - chance) * RATES[count] >> 16
        models[held[i], within] = chance << 9 | (count + np.int64(count < _COUNT_LIMIT))
    return bit

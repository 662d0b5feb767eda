"""A Wiener filter behind the decoder: 12 classes of 4 x 4 samples, a symmetric 7 x 7 diamond for each.

A filtered sample is x + sum of c_k (a_k + b_k - 2 x), where a_k and b_k lie opposite each other at TAPS[k],
and c_k is a whole number of 1/256. The class is known from the decoded samples alone: how much
they vary against the quantiser's step, and in which direction. A plane is left alone, filtered by the trained
bank, or by numbers of its own that are coded as differences from the bank.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import code_adaptive, code_bit, compiled, inner

TAPS = np.array(
    [(0, 1), (0, 2), (0, 3), (1, -2), (1, -1), (1, 0), (1, 1), (1, 2), (2, -1), (2, 0), (2, 1), (3, 0)],
    np.int64,
)
"""(y, x) of one half of the diamond; the other half is opposite."""
CLASSES, TAP_COUNT = 12, 12
_ALL_ROWS_SAMPLES = 1 << 16  # larger planes are well enough known from every other row
_BATCH = 64  # samples, a multiple of the 8 or 16 of a square
MODELS = 24
"""Adaptive models of a plane's numbers."""

Bank = npt.NDArray[np.int32]
"""int32 [12 classes, 12 taps], in 1/256, -128..127."""
Samples = npt.NDArray[np.int16]


def classify(samples: Samples, step: int) -> npt.NDArray[np.uint8]:
    """Returns the class of each 4 x 4 square of a plane; `step` is the plane's base step in 1/256."""
    classes = np.empty((samples.shape[0] // 4, samples.shape[1] // 4), np.uint8)
    _classify(np.pad(samples, 1, mode="edge"), step, classes)
    return classes


def filtered(samples: Samples, classes: npt.NDArray[np.uint8], bank: Bank) -> Samples:
    """Returns a plane's samples behind the filter."""
    result = np.empty_like(samples)
    _filter(np.pad(samples, 3, mode="edge"), classes, bank, result)
    return result


def statistics(
    samples: Samples, original: npt.NDArray[np.float32], classes: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float64]:
    """Returns [12, 12, 13]: each class's normal equations, the right-hand side last."""
    sums = np.zeros((CLASSES, TAP_COUNT, TAP_COUNT + 1), np.float64)
    stride = 1 if samples.size <= _ALL_ROWS_SAMPLES else 2
    _accumulate(np.pad(samples, 3, mode="edge"), original, classes, stride, sums)
    return sums


def solved(sums: npt.NDArray[np.float64], toward: Bank) -> Bank:
    """Returns the best bank for the sums; classes with little to say stay near `toward`."""
    bank = np.zeros((CLASSES, TAP_COUNT), np.int32)
    for i in range(CLASSES):
        matrix, right = sums[i, :, :TAP_COUNT], sums[i, :, TAP_COUNT]
        ridge = 1e-3 * np.trace(matrix) / TAP_COUNT + 1e-6
        start = toward[i] / 256
        change = np.linalg.solve(matrix + ridge * np.eye(TAP_COUNT), right - matrix @ start)
        bank[i] = np.clip(np.round(256 * (start + change)), -128, 127)
    return bank


def gains(sums: npt.NDArray[np.float64], bank: Bank) -> npt.NDArray[np.float64]:
    """Returns [12]: by how much a bank lowers each class's squared error."""
    c = bank / 256
    matrix, right = sums[..., :TAP_COUNT], sums[..., TAP_COUNT]
    return 2 * np.einsum("ik,ik->i", c, right) - np.einsum("ij,ijk,ik->i", c, matrix, c)


@compiled
def code_bank(coder: Any, buffer: Any, models: Any, bank: Any, toward: Any) -> None:
    """Codes a bank as differences from another; a decoder fills `bank`."""
    for i in range(CLASSES):
        differs = 0
        for k in range(TAP_COUNT):
            if bank[i, k] != toward[i, k]:
                differs = 1
        if code_bit(coder, buffer, differs, 32768) == 0:
            for k in range(TAP_COUNT):
                bank[i, k] = toward[i, k]
            continue
        for k in range(TAP_COUNT):
            difference = np.int64(bank[i, k]) - np.int64(toward[i, k])
            rest = abs(difference) + 1
            length = 0
            while length < 8:
                if code_adaptive(coder, buffer, 1 if rest >> (length + 1) else 0, models, length, 60) == 0:
                    break
                length += 1
            value = 1
            for j in range(length):
                value = value << 1 | code_bit(coder, buffer, rest >> (length - 1 - j) & 1, 32768)
            value -= 1
            if value and code_bit(coder, buffer, 1 if difference < 0 else 0, 32768):
                value = -value
            bank[i, k] = min(max(np.int64(toward[i, k]) + value, -128), 127)


@compiled
def _classify(padded: Any, step: Any, classes: Any) -> None:
    rows, columns = classes.shape
    for i in range(rows):
        for j in range(columns):
            across = np.int64(0)
            down = np.int64(0)
            for y in range(4 * i + 1, 4 * i + 5):
                for x in range(4 * j + 1, 4 * j + 5):
                    across += abs(np.int64(padded[y, x + 1]) - np.int64(padded[y, x - 1]))
                    down += abs(np.int64(padded[y + 1, x]) - np.int64(padded[y - 1, x]))
            # Mean difference over two samples and both directions, in eighths of a step.
            activity = (across + down) * 4 // np.int64(step)
            level = 0 if activity < 1 else 1 if activity < 3 else 2 if activity < 8 else 3
            direction = 1 if across > 2 * down else 2 if down > 2 * across else 0
            classes[i, j] = 3 * level + direction


@compiled
def _filter(padded: Any, classes: Any, bank: Any, result: Any) -> None:
    """Row by row, in loops over x that become vector instructions."""
    rows, columns = result.shape
    weights = np.zeros((TAP_COUNT, columns), np.int32)
    total = np.zeros(columns, np.int32)
    for y in range(rows):
        if y & 3 == 0:
            for j in range(columns >> 2):
                for k in range(TAP_COUNT):
                    weight = bank[classes[y >> 2, j], k]
                    for i in range(4):
                        weights[k, 4 * j + i] = weight
        centre = padded[y + 3, 3 : 3 + columns]
        for x in range(columns):
            total[x] = 128
        for k in range(TAP_COUNT):
            dy, dx = TAPS[k, 0], TAPS[k, 1]
            after = padded[y + 3 + dy, 3 + dx : 3 + dx + columns]
            before = padded[y + 3 - dy, 3 - dx : 3 - dx + columns]
            weight_row = weights[k]
            for x in range(columns):
                pair = np.int32(after[x]) + np.int32(before[x]) - 2 * np.int32(centre[x])
                total[x] += np.int32(weight_row[x] * pair)
        for x in range(columns):
            result[y, x] = min(max(np.int32(centre[x]) + (total[x] >> 8), -2048), 2047)


@compiled
def _accumulate(padded: Any, original: Any, classes: Any, stride: Any, sums: Any) -> None:
    """Adds up every row, or every other one with a stride of 2; in single precision by batches of a class."""
    rows, columns = classes.shape
    width = padded.shape[1]
    flat = padded.reshape(-1)
    batches = np.zeros((CLASSES, TAP_COUNT + 1, _BATCH), np.float32)
    filled = np.zeros(CLASSES, np.int64)
    offsets = TAPS[:, 0] * width + TAPS[:, 1]
    for i in range(rows):
        for j in range(columns):
            number = np.int64(classes[i, j])
            place = filled[number]
            for y in range(4 * i, 4 * i + 4, stride):
                at = (y + 3) * width + 4 * j + 3
                for k in range(TAP_COUNT):
                    for x in range(at, at + 4):
                        pair = np.int32(flat[x + offsets[k]]) + np.int32(flat[x - offsets[k]])
                        difference = np.float32(pair - 2 * np.int32(flat[x])) * np.float32(0.0625)
                        batches[number, k, place + x - at] = difference
                for x in range(4):
                    error = original[y, 4 * j + x] - np.float32(flat[at + x]) * np.float32(0.0625)
                    batches[number, TAP_COUNT, place + x] = error
                place += 4
            if place == _BATCH:
                _add_batch(batches[number], place, np.float64(stride), sums[number])
                place = 0
            filled[number] = place
    for number in range(CLASSES):
        _add_batch(batches[number], filled[number], np.float64(stride), sums[number])


@inner
def _add_batch(batch: Any, count: Any, weight: Any, sums: Any) -> Any:
    """Adds the products of a batch's features, eight sums side by side, which become vector instructions."""
    for k in range(TAP_COUNT):
        a = batch[k]
        for n in range(k, TAP_COUNT + 1):
            b = batch[n]
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.float32(0.0)
            for i in range(0, count, 8):
                s0 += a[i] * b[i]
                s1 += a[i + 1] * b[i + 1]
                s2 += a[i + 2] * b[i + 2]
                s3 += a[i + 3] * b[i + 3]
                s4 += a[i + 4] * b[i + 4]
                s5 += a[i + 5] * b[i + 5]
                s6 += a[i + 6] * b[i + 6]
                s7 += a[i + 7] * b[i + 7]
            total = weight * np.float64(((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)))
            sums[k, n] += total
            if k < n < TAP_COUNT:
                sums[n, k] += total

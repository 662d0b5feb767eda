"""The coefficients of a JPEG as one stream of bits, by context mixing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import (
    compiled,
    finish,
    has_overflowed,
    new_decoder,
    new_encoder,
    readable,
)
from services.compressor.codecs.coding.coder import MODE, POSITION
from services.compressor.codecs.errors import CorruptDataError
from services.compressor.codecs.repack.ac import code_ac, level
from services.compressor.codecs.repack.asking import ask
from services.compressor.codecs.repack.dc import code_dc
from services.compressor.codecs.repack.layout import (
    COLUMNS,
    ROWS,
    Block,
    Coefficients,
    Geometry,
    count_blocks,
    geometry_of,
)
from services.compressor.codecs.repack.planes import (
    BEFORE,
    LEFT,
    LUMA,
    MISSING,
    TOP,
    TOP_LEFT,
    TOP_RIGHT,
    Places,
    Work,
    begin_edges,
    end_edges,
    find_near,
    new_work,
)
from services.compressor.codecs.repack.space import (
    DIAGONAL,
    SETS_DIAGONAL,
    SETS_DIAGONAL_ALL,
    Coding,
    new_coding,
)
from services.compressor.codecs.repack.syntax import Frame
from services.compressor.codecs.repack.tables import DIAGONAL_ENDS

_LOOK_AHEAD_BYTES = 16
"""A decoder that is further than this beyond the end of its data reads what nobody wrote."""


def new_coefficients(frame: Frame) -> Coefficients:
    """Returns zeros, int16 [blocks + 1, 64]; the last block stands for those that are missing."""
    return np.zeros((count_blocks(frame) + 1, 64), np.int16)


def encode(frame: Frame, quantisers: npt.NDArray[np.int64], coefficients: Coefficients) -> bytes:
    """Returns the stream of a frame's coefficients, which begins with the prior."""
    size = 4096 + 2 * coefficients.shape[0]
    while True:
        coder, buffer = new_encoder(), np.empty(size, np.uint8)
        code_frame(new_coding(coder, buffer, is_trained=True), frame, quantisers, coefficients)
        if not has_overflowed(coder, buffer):
            return finish(coder, buffer)
        size = 64 + int(coder[POSITION])  # which is what it would have needed


def decode(
    frame: Frame, quantisers: npt.NDArray[np.int64], stream: bytes, *, is_trained: bool
) -> Coefficients:
    """Returns the coefficients of a stream; `is_trained` tells whether it begins with the prior.

    Raises:
        CorruptDataError: It is too short for the frame.
    """
    coefficients = new_coefficients(frame)
    buffer = readable(stream)
    coding = new_coding(new_decoder(buffer), buffer, is_trained=is_trained)
    if not code_frame(coding, frame, quantisers, coefficients):
        raise CorruptDataError("the GanPress file has too few coefficients for its image")
    return coefficients


def code_frame(
    coding: Coding, frame: Frame, quantisers: npt.NDArray[np.int64], coefficients: Coefficients
) -> bool:
    """Codes all components; returns False when a decoder ran out of data."""
    geometry = geometry_of(frame)
    diagonals = np.zeros(len(coefficients), np.uint8)
    residuals = np.zeros(len(coefficients), np.int32)
    for number, component in enumerate(frame.components):
        kind = int(component.quantiser != frame.components[0].quantiser)
        steps = np.maximum(quantisers[component.quantiser], 1)
        work = new_work(steps, component.stored_columns, diagonals, residuals)
        if not _code_plane(coding, coefficients, geometry, number, kind, work):
            return False
    return True


@compiled
def _code_plane(
    coding: Coding, coefficients: Coefficients, geometry: Geometry, component: int, kind: int, work: Work
) -> bool:
    """Codes one component, row by row; returns False when a decoder ran out of data."""
    near = np.zeros(10, np.int64)
    near[MISSING] = coefficients.shape[0] - 1
    is_decoder = coding.coder[MODE] == 1
    for row in range(geometry[component, ROWS]):
        if is_decoder and coding.coder[POSITION] > coding.buffer.shape[0] + _LOOK_AHEAD_BYTES:
            return False
        for column in range(geometry[component, COLUMNS]):
            block = find_near(near, geometry, component, row, column)
            begin_edges(work, row, column)
            diagonal = _code_diagonal(coding, coefficients, block, kind, near, work)
            code_ac(coding, coefficients, block, kind, diagonal, near, work)
            code_dc(coding, coefficients, block, kind, diagonal, near, work)
            end_edges(work, column)
    return True


@compiled
def _code_diagonal(
    coding: Coding, coefficients: Coefficients, block: int, kind: int, near: Places, work: Work
) -> int:
    """Codes the last diagonal of a block that holds a coefficient other than 0, and returns it."""
    diagonals = work.diagonals
    missing = near[MISSING]
    left, top = np.int64(diagonals[near[LEFT]]), np.int64(diagonals[near[TOP]])
    if near[LEFT] == missing:
        left = top
    if near[TOP] == missing:
        top = left
    top_left = np.int64(diagonals[near[TOP_LEFT]]) if near[TOP_LEFT] != missing else top
    top_right = np.int64(diagonals[near[TOP_RIGHT]]) if near[TOP_RIGHT] != missing else top
    luma = np.int64(0)
    for i in range(4):
        luma = max(luma, np.int64(diagonals[near[LUMA + i]]))
    before = np.int64(diagonals[near[BEFORE]])
    energy = np.int64(0)
    for k in range(1, 10):
        energy += abs(np.int64(coefficients[near[LEFT], k])) + abs(np.int64(coefficients[near[TOP], k]))
    energy_level = level(energy)
    diagonal = _last_diagonal(coefficients[block])
    contexts = coding.contexts
    mean = (left + top) >> 1
    node = 1
    for i in range(3, -1, -1):
        place = kind * 16 + node
        contexts[0] = DIAGONAL[0] + place * 32 + left + top
        contexts[1] = DIAGONAL[1] + place * 256 + left * 16 + top
        contexts[2] = DIAGONAL[2] + place * 128 + 2 * left + 2 * top + top_left + top_right
        contexts[3] = DIAGONAL[3] + place * 256 + luma * 16 + before
        contexts[4] = DIAGONAL[4] + place * 256 + energy_level * 16 + mean
        contexts[5] = DIAGONAL[5] + place * 256 + max(luma, before) * 16 + mean
        bit = ask(coding, (diagonal >> i) & 1, 6, SETS_DIAGONAL + place, SETS_DIAGONAL_ALL + kind)
        node = node << 1 | bit
    diagonal = min(node & 15, 14)
    diagonals[block] = diagonal
    return diagonal


@compiled
def _last_diagonal(values: Block) -> int:
    for k in range(63, 0, -1):
        if values[k]:
            diagonal = 14
            while k <= DIAGONAL_ENDS[diagonal - 1]:
                diagonal -= 1
            return diagonal
    return 0

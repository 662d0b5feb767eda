"""From coefficients to the entropy-coded bytes of a scan (ITU-T T.81, F.1.2 and G.1)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import compiled
from services.compressor.codecs.errors import UnsupportedImageError
from services.compressor.codecs.repack.huffman import CODES
from services.compressor.codecs.repack.layout import (
    HORIZONTAL,
    VERTICAL,
    Block,
    Bytes,
    Coefficients,
    Geometry,
    Splits,
    State,
    Table,
    block_number,
    scan_geometry,
)
from services.compressor.codecs.repack.syntax import Frame, Scan
from services.compressor.codecs.repack.tables import Whole

_LONGEST_RUN = 0x7FFF
_LIBJPEG_BUFFER_BITS = 1000 - 64 + 1
"""libjpeg ends a run of ends of blocks when more refinement bits than these wait for it."""
_DONE, _NO_CODE = 0, 1
# The writer's state, int64: next byte, bits at hand, their number, length of the waiting run of ends of
# blocks, refinement bits that wait for it, symbols that had no code.
_POSITION, _BITS, _COUNT, _RUN, _WAITING, _MISSING = range(6)


def encode_scan(
    frame: Frame,
    scan: Scan,
    coefficients: Coefficients,
    output: npt.NDArray[np.uint8],
    position: int,
    *,
    padding: npt.NDArray[np.uint8],
    splits: npt.NDArray[np.int32] | None,
) -> int:
    """Writes a scan's bytes into a buffer.

    Args:
        frame: The frame.
        scan: The scan.
        coefficients: All coefficients of the frame.
        output: The buffer.
        position: Where in it to begin.
        padding: What fills up the last byte of each restart interval; the last one serves all further.
        splits: Blocks before which a run of ends of blocks is ended; None does as libjpeg does.

    Returns:
        The position after the last byte; beyond the buffer's end when it is too small.

    Raises:
        UnsupportedImageError: The scan's tables have no code for a coefficient.
    """
    geometry, mcu_rows, mcu_columns = scan_geometry(frame, scan)
    interval = scan.restart_interval or mcu_rows * mcu_columns
    state = np.zeros(6, np.int64)
    state[_POSITION] = position
    is_refinement = scan.first > 0 and scan.high > 0
    _encode(
        output,
        state,
        coefficients,
        geometry,
        mcu_rows,
        mcu_columns,
        interval,
        scan.tables,
        np.array([frame.is_progressive, scan.first, scan.last, scan.high, scan.low], np.int64),
        padding,
        np.zeros(0, np.int32) if splits is None else splits,
        splits is None,
        np.empty(63 * (_LONGEST_RUN + 1) if is_refinement else 0, np.uint8),
    )
    if state[_MISSING]:
        raise UnsupportedImageError(
            "the JPEG cannot be repacked: its Huffman tables lack codes that it needs"
        )
    return int(state[_POSITION])


@compiled
def _encode(  # noqa: PLR0912 - one loop, inlined
    output: Bytes,
    state: State,
    coefficients: Coefficients,
    geometry: Geometry,
    mcu_rows: int,
    mcu_columns: int,
    interval: int,
    tables: Table,
    parameters: State,
    padding: Bytes,
    splits: Splits,
    like_libjpeg: bool,
    waiting: Bytes,
) -> None:
    progressive, first, last, high, low = parameters
    components = geometry.shape[0]
    previous_dc = np.zeros(components, np.int64)
    next_split = 0
    for mcu in range(mcu_rows * mcu_columns):
        if mcu and mcu % interval == 0:
            number = mcu // interval - 1
            _end_run(output, state, tables[1], waiting)
            _fill_up(output, state, np.int64(padding[min(number, padding.size - 1)]))
            _put_byte(output, state, 0xFF)
            _put_byte(output, state, 0xD0 | (number & 7))
            previous_dc[:] = 0
        if state[_POSITION] > output.size or state[_MISSING]:
            return
        if next_split < splits.size and splits[next_split] == mcu:
            _end_run(output, state, tables[1], waiting)
            next_split += 1
        row, column = mcu // mcu_columns, mcu % mcu_columns
        for component in range(components):
            dc_table, ac_table = tables[2 * component], tables[2 * component + 1]
            for number in range(geometry[component, HORIZONTAL] * geometry[component, VERTICAL]):
                block = coefficients[block_number(geometry, component, row, column, number)]
                if first == 0:
                    if high:
                        _put_bits(output, state, (block[0] >> low) & 1, 1)
                    else:
                        value = np.int64(block[0]) >> low
                        _encode_dc(output, state, dc_table, value - previous_dc[component])
                        previous_dc[component] = value
                if last > 0:
                    if not progressive:
                        _encode_ac(output, state, ac_table, block)
                    elif high:
                        _refine_band(output, state, ac_table, block, first, last, low, waiting, like_libjpeg)
                    else:
                        _encode_band(output, state, ac_table, block, first, last, low, waiting)
    _end_run(output, state, tables[1], waiting)
    _fill_up(output, state, np.int64(padding[-1]))


@compiled
def _encode_dc(output: Bytes, state: State, table: Table, difference: Whole) -> None:
    size = _size(abs(difference))
    _put_symbol(output, state, table, size)
    _put_bits(output, state, difference if difference >= 0 else difference + (1 << size) - 1, size)


@compiled
def _encode_ac(output: Bytes, state: State, table: Table, block: Block) -> None:
    run = 0
    for k in range(1, 64):
        value = np.int64(block[k])
        if value == 0:
            run += 1
            continue
        while run > 15:
            _put_symbol(output, state, table, 0xF0)
            run -= 16
        size = _size(abs(value))
        _put_symbol(output, state, table, run << 4 | size)
        _put_bits(output, state, value if value >= 0 else value + (1 << size) - 1, size)
        run = 0
    if run:
        _put_symbol(output, state, table, 0)


@compiled
def _encode_band(
    output: Bytes, state: State, table: Table, block: Block, first: int, last: int, low: int, waiting: Bytes
) -> None:
    """Encodes a block's part in the first scan of a band of coefficients."""
    run = 0
    for k in range(first, last + 1):
        magnitude = abs(np.int64(block[k])) >> low
        if magnitude == 0:
            run += 1
            continue
        _end_run(output, state, table, waiting)
        while run > 15:
            _put_symbol(output, state, table, 0xF0)
            run -= 16
        size = _size(magnitude)
        _put_symbol(output, state, table, run << 4 | size)
        _put_bits(output, state, magnitude if block[k] >= 0 else (1 << size) - 1 - magnitude, size)
        run = 0
    if run:
        state[_RUN] += 1
        if state[_RUN] == _LONGEST_RUN:
            _end_run(output, state, table, waiting)


@compiled
def _refine_band(
    output: Bytes,
    state: State,
    table: Table,
    block: Block,
    first: int,
    last: int,
    low: int,
    waiting: Bytes,
    like_libjpeg: bool,
) -> None:
    """Encodes a block's part in a further scan of a band of coefficients.

    Refinement bits are put in `waiting` until the symbol is written after which they stand.
    """
    last_new = 0
    for k in range(first, last + 1):
        if abs(np.int64(block[k])) >> low == 1:
            last_new = k
    run = 0
    begin = state[_WAITING]
    end = begin
    for k in range(first, last + 1):
        magnitude = abs(np.int64(block[k])) >> low
        if magnitude == 0:
            run += 1
            continue
        while run > 15 and k <= last_new:
            state[_WAITING] = begin
            _end_run(output, state, table, waiting)
            _put_symbol(output, state, table, 0xF0)
            run -= 16
            _put_waiting(output, state, waiting, begin, end)
            begin = end = 0
        if magnitude > 1:
            waiting[end] = magnitude & 1
            end += 1
            continue
        state[_WAITING] = begin
        _end_run(output, state, table, waiting)
        _put_symbol(output, state, table, run << 4 | 1)
        _put_bits(output, state, 0 if block[k] < 0 else 1, 1)
        _put_waiting(output, state, waiting, begin, end)
        begin = end = 0
        run = 0
    state[_WAITING] = end
    if run or end > begin:
        state[_RUN] += 1
        if state[_RUN] == _LONGEST_RUN or (like_libjpeg and end > _LIBJPEG_BUFFER_BITS):
            _end_run(output, state, table, waiting)


@compiled
def _end_run(output: Bytes, state: State, table: Table, waiting: Bytes) -> None:
    """Writes the waiting run of ends of blocks with its refinement bits."""
    run = state[_RUN]
    if run:
        size = _size(run) - 1
        _put_symbol(output, state, table, size << 4)
        _put_bits(output, state, run & ((1 << size) - 1), size)
        state[_RUN] = 0
        _put_waiting(output, state, waiting, 0, state[_WAITING])
        state[_WAITING] = 0


@compiled
def _put_waiting(output: Bytes, state: State, waiting: Bytes, begin: int, end: int) -> None:
    for i in range(begin, end):
        _put_bits(output, state, np.int64(waiting[i]), 1)


@compiled
def _size(magnitude: Whole) -> int:
    """Returns the number of bits of a magnitude, 0 for 0."""
    size = 0
    while magnitude >> size:
        size += 1
    return size


@compiled
def _put_symbol(output: Bytes, state: State, table: Table, symbol: int) -> None:
    code = table[CODES + symbol] if symbol < 256 else 0
    if code == 0:
        state[_MISSING] = 1
        return
    _put_bits(output, state, code & 0xFFFF, code >> 16)


@compiled
def _put_bits(output: Bytes, state: State, bits: Whole, count: int) -> None:
    """Appends up to 16 bits."""
    state[_BITS] = (state[_BITS] << count) | (bits & ((1 << count) - 1))
    state[_COUNT] += count
    while state[_COUNT] >= 8:
        state[_COUNT] -= 8
        byte = (state[_BITS] >> state[_COUNT]) & 0xFF
        _put_byte(output, state, byte)
        if byte == 0xFF:
            _put_byte(output, state, 0)
    state[_BITS] &= (1 << state[_COUNT]) - 1


@compiled
def _put_byte(output: Bytes, state: State, byte: int) -> None:
    if state[_POSITION] < output.size:
        output[state[_POSITION]] = byte
    state[_POSITION] += 1


@compiled
def _fill_up(output: Bytes, state: State, padding: Whole) -> None:
    """Fills up the current byte."""
    if state[_COUNT]:
        _put_bits(output, state, padding, 8 - state[_COUNT])

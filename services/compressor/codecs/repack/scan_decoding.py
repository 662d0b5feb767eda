"""From the entropy-coded bytes of a scan to coefficients (ITU-T T.81, F.2.2 and G.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import compiled
from services.compressor.codecs.errors import CorruptDataError, UnsupportedImageError
from services.compressor.codecs.repack.huffman import LAST_CODES, LOOKUP_BITS, OFFSETS, SYMBOLS
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

_DONE, _TRUNCATED, _BROKEN, _NO_RESTART = 0, 1, 2, 3
# The reader's state, int64: next byte, bits at hand, their number, how many of them were made up after
# the end, blocks left in the run of ends of blocks, whether that run began at the block before this one.
_POSITION, _BITS, _COUNT, _MADE_UP, _RUN, _SPLIT = range(6)


@dataclass(frozen=True)
class ScanTraits:
    """What a scan's bytes hold besides coefficients."""

    end: int
    """Where its bytes end."""
    padding: npt.NDArray[np.uint8]
    """Bits that fill up the last byte of each restart interval, as a number; all ones by the standard."""
    splits: npt.NDArray[np.int32]
    """Blocks, counted within the scan, at which a run of ends of blocks begins right after another."""


def decode_scan(
    data: npt.NDArray[np.uint8], frame: Frame, scan: Scan, coefficients: Coefficients
) -> ScanTraits:
    """Adds what a scan tells of the coefficients to them.

    Raises:
        CorruptDataError: The data ends or breaks within the scan.
        UnsupportedImageError: A restart marker is not where it should be.
    """
    geometry, mcu_rows, mcu_columns = scan_geometry(frame, scan)
    interval = scan.restart_interval or mcu_rows * mcu_columns
    padding = np.empty(-(-mcu_rows * mcu_columns // interval), np.uint8)
    splits = np.empty(mcu_rows * mcu_columns if scan.first else 0, np.int32)
    state = np.zeros(6, np.int64)
    state[_POSITION] = scan.start
    status, split_count = _decode(
        data,
        state,
        coefficients,
        geometry,
        mcu_rows,
        mcu_columns,
        interval,
        scan.tables,
        np.array([frame.is_progressive, scan.first, scan.last, scan.high, scan.low], np.int64),
        padding,
        splits,
    )
    where = f"at byte {state[_POSITION]}"
    if status == _TRUNCATED:
        raise CorruptDataError(f"the JPEG is truncated or broken: a scan ends early {where}")
    if status == _BROKEN:
        raise CorruptDataError(f"the JPEG is broken: a scan has a code without meaning {where}")
    if status == _NO_RESTART:
        raise UnsupportedImageError(f"the JPEG cannot be repacked: a restart marker is missing {where}")
    return ScanTraits(int(state[_POSITION]), padding, splits[:split_count].copy())


@compiled
def _decode(  # noqa: PLR0912 - one loop, inlined
    data: Bytes,
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
) -> tuple[int, int]:
    """Decodes a scan; returns a status and the number of splits."""
    progressive, first, last, high, low = parameters
    components = geometry.shape[0]
    previous_dc = np.zeros(components, np.int64)
    split_count = 0
    for mcu in range(mcu_rows * mcu_columns):
        if mcu and mcu % interval == 0:
            padding[mcu // interval - 1] = _align(data, state)
            if not _take_restart(data, state, mcu // interval - 1):
                return _NO_RESTART, split_count
            previous_dc[:] = 0
        row, column = mcu // mcu_columns, mcu % mcu_columns
        for component in range(components):
            dc_table, ac_table = tables[2 * component], tables[2 * component + 1]
            for number in range(geometry[component, HORIZONTAL] * geometry[component, VERTICAL]):
                block = coefficients[block_number(geometry, component, row, column, number)]
                status = _DONE
                if first == 0:
                    if high:
                        block[0] |= _take_bits(data, state, 1) << low
                    else:
                        status = _decode_dc(data, state, dc_table, block, previous_dc, component, low)
                if last > 0 and status == _DONE:
                    if not progressive:
                        status = _decode_ac(data, state, ac_table, block)
                    elif high:
                        status = _refine_band(data, state, ac_table, block, first, last, low)
                    else:
                        status = _decode_band(data, state, ac_table, block, first, last, low)
                    if state[_SPLIT]:
                        splits[split_count] = mcu
                        split_count += 1
                        state[_SPLIT] = 0
                if status != _DONE:
                    return status, split_count
                if state[_COUNT] < state[_MADE_UP]:
                    return _TRUNCATED, split_count
    padding[-1] = _align(data, state)
    return _DONE, split_count


@compiled
def _decode_dc(
    data: Bytes, state: State, table: Table, block: Block, previous_dc: State, component: int, low: int
) -> int:
    size = _take_symbol(data, state, table)
    if size < 0 or size > 15:
        return _BROKEN
    value = previous_dc[component] + _take_value(data, state, size)
    if value << low < -32768 or value << low > 32767:
        return _BROKEN
    previous_dc[component] = value
    block[0] = value << low
    return _DONE


@compiled
def _decode_ac(data: Bytes, state: State, table: Table, block: Block) -> int:
    """Decodes the 63 other coefficients of a block of a sequential scan."""
    k = 1
    while k < 64:
        symbol = _take_symbol(data, state, table)
        if symbol < 0:
            return _BROKEN
        run, size = symbol >> 4, symbol & 15
        if size == 0:
            if run == 0:
                return _DONE
            if run != 15:
                return _BROKEN
        k += run
        if k > 63:
            return _BROKEN
        if size:
            block[k] = _take_value(data, state, size)
        k += 1
    return _DONE


@compiled
def _decode_band(
    data: Bytes, state: State, table: Table, block: Block, first: int, last: int, low: int
) -> int:
    """Decodes the first scan of a band of coefficients."""
    if state[_RUN] > 0:
        state[_RUN] -= 1
        return _DONE
    k = first
    while k <= last:
        symbol = _take_symbol(data, state, table)
        if symbol < 0:
            return _BROKEN
        run, size = symbol >> 4, symbol & 15
        if size == 0 and run < 15:
            _begin_run(data, state, run, k == first)
            return _DONE
        k += run
        if k > last:
            return _BROKEN
        if size:
            value = _take_value(data, state, size) << low
            if value < -32767 or value > 32767:
                return _BROKEN
            block[k] = value
        k += 1
    state[_RUN] = -1
    return _DONE


@compiled
def _refine_band(  # noqa: PLR0912 - follows the standard's figure
    data: Bytes, state: State, table: Table, block: Block, first: int, last: int, low: int
) -> int:
    """Decodes a further scan of a band of coefficients: one more bit of each, and new ones of size 1."""
    k = first
    if state[_RUN] <= 0:
        while k <= last:
            symbol = _take_symbol(data, state, table)
            if symbol < 0 or symbol & 15 > 1:
                return _BROKEN
            run, size = symbol >> 4, symbol & 15
            if size == 0 and run < 15:
                _begin_run(data, state, run, k == first)
                state[_RUN] += 1
                break
            value = 0
            if size:
                value = 1 << low if _take_bits(data, state, 1) else -(1 << low)
            while k <= last:
                if block[k]:
                    _refine(data, state, block, k, low)
                elif run == 0:
                    break
                else:
                    run -= 1
                k += 1
            if k > last:
                # Sixteen zeros or a new coefficient were announced, but the band has no room for them.
                return _BROKEN
            block[k] = value
            k += 1
    if state[_RUN] > 0:
        while k <= last:
            if block[k]:
                _refine(data, state, block, k, low)
            k += 1
        state[_RUN] -= 1
    else:
        state[_RUN] = -1
    return _DONE


@compiled
def _refine(data: Bytes, state: State, block: Block, k: int, low: int) -> None:
    if _take_bits(data, state, 1):
        block[k] += 1 << low if block[k] > 0 else -(1 << low)


@compiled
def _begin_run(data: Bytes, state: State, size: int, is_first: bool) -> None:
    """Reads the length of a run of ends of blocks, this block's not counted.

    A run of 0 means that one has just ended, -1 that none has: so a run that begins at a block's first
    coefficient right after another is one that an encoder could have joined.
    """
    state[_SPLIT] = is_first and state[_RUN] == 0
    state[_RUN] = (1 << size) - 1 + _take_bits(data, state, size)


@compiled
def _take_value(data: Bytes, state: State, size: int) -> int:
    """Reads a signed number of a size in bits (T.81, F.2.2.1)."""
    bits = _take_bits(data, state, size)
    return bits if size == 0 or bits >> (size - 1) else bits - (1 << size) + 1


@compiled
def _take_symbol(data: Bytes, state: State, table: Table) -> int:
    """Reads one Huffman code; returns its symbol, -1 when there is no such code."""
    if state[_COUNT] < 16:
        _fill(data, state)
    window = (state[_BITS] >> (state[_COUNT] - 16)) & 0xFFFF
    entry = table[window >> (16 - LOOKUP_BITS)]
    if entry:
        state[_COUNT] -= entry >> 8
        return int(entry & 255)
    for length in range(LOOKUP_BITS + 1, 17):
        code = window >> (16 - length)
        if code <= table[LAST_CODES + length]:
            state[_COUNT] -= length
            return int(table[SYMBOLS + code + table[OFFSETS + length]])
    return -1


@compiled
def _take_bits(data: Bytes, state: State, count: int) -> int:
    """Reads up to 16 bits."""
    if state[_COUNT] < count:
        _fill(data, state)
    state[_COUNT] -= count
    return (state[_BITS] >> state[_COUNT]) & ((1 << count) - 1)


@compiled
def _fill(data: Bytes, state: State) -> None:
    """Takes bytes until there are more than 32 bits; beyond a marker or the end they are made up."""
    position, bits, count = state[_POSITION], state[_BITS], state[_COUNT]
    bits &= (1 << count) - 1
    while count <= 32:
        byte = 0
        if position < data.size and data[position] != 0xFF:
            byte = data[position]
            position += 1
        elif position + 1 < data.size and data[position + 1] == 0:
            byte = 0xFF
            position += 2
        else:
            state[_MADE_UP] += 8
        bits = bits << 8 | byte
        count += 8
    state[_POSITION], state[_BITS], state[_COUNT] = position, bits, count


@compiled
def _align(data: Bytes, state: State) -> int:
    """Reads the rest of the current byte, gives whole bytes back, and returns the rest."""
    count = state[_COUNT] - state[_MADE_UP]
    rest = (state[_BITS] >> state[_MADE_UP] >> (count & ~7)) & ((1 << (count & 7)) - 1)
    for _ in range(count >> 3):
        position = state[_POSITION]
        is_stuffed = data[position - 1] == 0 and data[position - 2] == 0xFF
        state[_POSITION] -= 2 if is_stuffed else 1
    state[_BITS] = state[_COUNT] = state[_MADE_UP] = 0
    state[_RUN] = -1
    return rest


@compiled
def _take_restart(data: Bytes, state: State, number: int) -> bool:
    position = state[_POSITION]
    if position + 1 >= data.size or data[position] != 0xFF or data[position + 1] != 0xD0 | (number & 7):
        return False
    state[_POSITION] += 2
    return True

"""Where the coefficients of a JPEG lie in memory, and the order in which scans visit them.

All blocks of all components are one array, int16 [blocks, 64 (zigzag)]: the components one after the
other, each row by row, with the blocks that fill up the last MCUs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import compiled
from services.compressor.codecs.repack.syntax import Frame, Scan

Coefficients = npt.NDArray[np.int16]
"""Quantised coefficients, int16 [blocks, 64 (zigzag)]."""
Block = npt.NDArray[np.int16]
"""One block of them, int16 [64]."""
Bytes = npt.NDArray[np.uint8]
State = npt.NDArray[np.int64]
"""Numbers that a compiled function changes."""
Table = npt.NDArray[np.int32]
"""A Huffman table, or those of a scan; see `huffman`."""
Splits = npt.NDArray[np.int32]
"""Blocks at which a run of ends of blocks is ended though it might go on, int32."""
Geometry = npt.NDArray[np.int64]
"""Of each component of a scan or frame, int64 [components, 6], by the names below."""

FIRST, STRIDE, HORIZONTAL, VERTICAL, ROWS, COLUMNS = range(6)
"""Number of the first block, stored columns, blocks of an MCU across and down, rows, columns."""


def geometry_of(frame: Frame) -> Geometry:
    """Returns the geometry of all components; rows and columns are the stored ones."""
    geometry = np.zeros((len(frame.components), 6), np.int64)
    first = 0
    for row, component in zip(geometry, frame.components, strict=True):
        columns, rows = component.stored_columns, component.stored_rows
        row[:] = first, columns, component.horizontal, component.vertical, rows, columns
        first += rows * columns
    return geometry


def count_blocks(frame: Frame) -> int:
    """Returns the number of blocks of all components."""
    return sum(component.stored_rows * component.stored_columns for component in frame.components)


def scan_geometry(frame: Frame, scan: Scan) -> tuple[Geometry, int, int]:
    """Returns the geometry of a scan's components, and the scan's rows and columns of MCUs.

    A scan of one component has MCUs of one block and leaves out those that only fill up.
    """
    geometry = geometry_of(frame)[list(scan.components)]
    if len(scan.components) > 1:
        return geometry, frame.mcu_rows, frame.mcu_columns
    component = frame.components[next(iter(scan.components))]
    geometry[:, [HORIZONTAL, VERTICAL]] = 1
    return geometry, component.rows, component.columns


@compiled
def block_number(geometry: Geometry, component: int, mcu_row: int, mcu_column: int, number: int) -> int:
    """Returns the number in memory of an MCU's block by its number within the component's part."""
    across = geometry[component, HORIZONTAL]
    row = mcu_row * geometry[component, VERTICAL] + number // across
    column = mcu_column * across + number % across
    return geometry[component, FIRST] + row * geometry[component, STRIDE] + column

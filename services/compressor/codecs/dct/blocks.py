"""What the coder of a plane's blocks works on: the plane, the block at hand and room for its numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]


class Blocks(NamedTuple):
    """A plane's blocks, and what later blocks want to know of them. Units are squares of 8 x 8 samples."""

    sizes: npt.NDArray[np.uint8]
    """[units_y, units_x]: level of the block at each unit; 0, 1, 2 for 8, 16, 32."""
    coefficients: npt.NDArray[np.int16]
    """[8 units_y, 8 units_x]: quantised; each block's in its own place."""
    targets: npt.NDArray[np.int32]
    """[units_y, units_x]: for the encoder, the exact mean coefficient of each block, times 16."""
    samples: Samples
    """[8 units_y, 8 units_x]: decoded."""
    profile: npt.NDArray[np.uint8]
    """[units_y, units_x, 64]: mean magnitudes by frequency, times 16; in light files magnitudes up to 15."""
    ends: npt.NDArray[np.uint8]
    """[units_y, units_x]: how many coefficients are coded, as a bucket of an 8 x 8 block."""

    @classmethod
    def empty(cls, height: int, width: int) -> Blocks:
        """Returns a plane of at least height x width samples, all of them 0."""
        units = (-(-height // 8), -(-width // 8))
        shape = (units[0] * 8, units[1] * 8)
        return cls(
            np.zeros(units, np.uint8),
            np.zeros(shape, np.int16),
            np.zeros(units, np.int32),
            np.zeros(shape, np.int16),
            np.zeros((*units, 64), np.uint8),
            np.zeros(units, np.uint8),
        )


class Steps(NamedTuple):
    """A plane's quantiser; see `steps.Quantiser.tables`."""

    steps: npt.NDArray[np.int32]
    """[3 * 1024], in 1/256 grey level."""
    inverse: npt.NDArray[np.int32]
    """[3 * 1024], 2^22 over them."""


class Room(NamedTuple):
    """Numbers of the block at hand."""

    at: npt.NDArray[np.int64]
    """Where it is and what is known of it, by the names below."""
    work: npt.NDArray[np.int32]
    """[1024]: coefficients, then samples."""
    middle: npt.NDArray[np.int32]
    """[1024]: for the transform."""
    magnitudes: npt.NDArray[np.int32]
    """[36 * 36]: of the coefficients that are known, zeros around them."""
    ahead: npt.NDArray[np.int32]
    """[64]: class of the magnitudes at a frequency in the blocks to the left and above."""
    other: npt.NDArray[np.int32]
    """[64]: the same in the other plane."""
    sums: npt.NDArray[np.int32]
    """[64]: what later blocks will expect; before that, room."""
    edge_top: npt.NDArray[np.int32]
    """[32]: samples above the block."""
    edge_left: npt.NDArray[np.int32]
    """[32]: samples to the left."""
    from_top: npt.NDArray[np.int64]
    """[32]: what the edge above leaves to be explained, by horizontal frequency."""
    from_left: npt.NDArray[np.int64]
    """[32]: the same of the left edge, by vertical frequency."""


(
    Y8,
    X8,
    LEVEL,
    PLANE_CLASS,
    KIND,
    REFERENCE_KIND,
    HAS_TOP,
    HAS_LEFT,
    BUCKET,
    COUNT,
    AGREEMENT,
    ROWS,
    COLUMNS,
) = range(13)
"""Unit of the block; its level; 0 for the first plane, 1 for others; 3 times that plus the level; 0 without
another plane, 1 with an equal one, 2 with one of twice the size; whether
there are blocks above and to the left; its bucket, and how many coefficients that is; of how many signs more
were those of the other plane than not; rows and columns that hold coefficients."""


def new_room() -> Room:
    """Returns room for any block."""
    return Room(
        np.zeros(13, np.int64),
        np.zeros(1024, np.int32),
        np.zeros(1024, np.int32),
        np.zeros(36 * 36, np.int32),
        np.zeros(64, np.int32),
        np.zeros(64, np.int32),
        np.zeros(64, np.int32),
        np.zeros(32, np.int32),
        np.zeros(32, np.int32),
        np.zeros(32, np.int64),
        np.zeros(32, np.int64),
    )

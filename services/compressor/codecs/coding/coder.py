"""A binary range coder without carries, after that of lpaq.

The interval [low, high] holds 32-bit numbers and shrinks with every bit; leading bytes that both ends share
are written. The state is an int64 array, so that compiled functions can change it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding.compiled import lean
from services.compressor.codecs.coding.tables import COSTS

Coder = npt.NDArray[np.int64]
"""State of a coder; made by `new_encoder`, `new_decoder` or `new_meter`."""
Buffer = npt.NDArray[np.uint8]

LOW, HIGH, CODE, POSITION, MODE, COST = range(6)
ENCODE, DECODE, MEASURE = range(3)

_TOP = 0xFF000000
_ALL = 0xFFFFFFFF


def new_encoder() -> Coder:
    """Returns a coder that writes to a buffer of the caller's."""
    return np.array([0, _ALL, 0, 0, ENCODE, 0], np.int64)


def readable(data: bytes) -> Buffer:
    """Returns bytes as a buffer to decode from."""
    return np.frombuffer(data, np.uint8).copy()


def new_decoder(data: Buffer) -> Coder:
    """Returns a coder that reads what `finish` returned and `readable` made a buffer; then it reads zeros."""
    first = data[:4].tobytes().ljust(4, b"\0")
    return np.array([0, _ALL, int.from_bytes(first, "big"), 4, DECODE, 0], np.int64)


def new_meter() -> Coder:
    """Returns a coder that writes nothing and adds up what the bits would cost; see `cost_bits`."""
    return np.array([0, _ALL, 0, 0, MEASURE, 0], np.int64)


@lean
def code_bit(coder: Coder, buffer: Buffer, bit: int, probability: int) -> int:
    """Codes one bit and returns it.

    Args:
        coder: State.
        buffer: uint8 array that is written to or read from.
        bit: 0 or 1; a decoder ignores it.
        probability: 16-bit probability of a 1, from 1 to 65535.
    """
    if coder[MODE] == MEASURE:
        coder[COST] += COSTS[(probability if bit else 65536 - probability) >> 4]
        return bit
    low = coder[LOW]
    high = coder[HIGH]
    middle = low + ((high - low) * probability >> 16)
    if coder[MODE] == DECODE:
        bit = 1 if coder[CODE] <= middle else 0
    if bit:
        high = middle
    else:
        low = middle + 1
    while (low ^ high) & _TOP == 0:
        position = coder[POSITION]
        if coder[MODE] == DECODE:
            byte = np.int64(buffer[position]) if position < buffer.shape[0] else 0
            coder[CODE] = (coder[CODE] << 8 & _ALL) | byte
        elif position < buffer.shape[0]:
            buffer[position] = high >> 24
        coder[POSITION] = position + 1
        low = low << 8 & _ALL
        high = (high << 8 & _ALL) | 255
    coder[LOW] = low
    coder[HIGH] = high
    return bit


def has_overflowed(coder: Coder, buffer: Buffer) -> bool:
    """Tells whether an encoder had more bytes to write than its buffer has room for."""
    return int(coder[POSITION]) > len(buffer)


def finish(coder: Coder, buffer: Buffer) -> bytes:
    """Returns all that an encoder has written, without zeros at the end.

    Raises:
        ValueError: The buffer was too small; code again with a larger one.
    """
    if has_overflowed(coder, buffer):
        raise ValueError(f"the buffer of {len(buffer)} bytes is too small for {int(coder[POSITION])}")
    low, high = int(coder[LOW]), int(coder[HIGH])
    # The number in the interval that ends in the most zero bytes, which a decoder reads anyway.
    end = next(
        number
        for zero_bits in (32, 24, 16, 8, 0)
        for number in [(low + (1 << zero_bits) - 1) >> zero_bits << zero_bits]
        if number <= high
    )
    written = buffer[: int(coder[POSITION])].tobytes()
    return (written + end.to_bytes(4, "big")).rstrip(b"\0")


def cost_bits(coder: Coder) -> float:
    """Returns the bits that a meter has counted."""
    return float(coder[COST]) / 4096

"""Huffman tables of JPEG (ITU-T T.81, annex C and F.2.2.3) as arrays that compiled loops read."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.errors import CorruptDataError

LOOKUP_BITS = 10
"""Codes of up to this many bits are decoded by one look-up."""
TABLE_SIZE = (1 << LOOKUP_BITS) + 17 + 17 + 256 + 256
"""Entries of one table: look-up, last code and offset of each length 0..16, symbols, codes of symbols."""
LAST_CODES = 1 << LOOKUP_BITS
"""Where the largest code of each length stands, -1 where there is none."""
OFFSETS = LAST_CODES + 17
"""Where the offset of each length stands: what a code plus it is, is the symbol's number."""
SYMBOLS = OFFSETS + 17
"""Where the symbols stand in the order of their codes."""
CODES = SYMBOLS + 256
"""Where each symbol's code stands, as length << 16 | code; 0 for a symbol without one."""


@lru_cache(maxsize=64)
def build_table(definition: bytes) -> npt.NDArray[np.int32]:
    """Returns a table, int32 [TABLE_SIZE], from the bytes of its definition in a DHT segment.

    Args:
        definition: 16 numbers of codes of the lengths 1 to 16, then the symbols.

    Raises:
        CorruptDataError: There are more codes of a length than there can be.
    """
    counts, symbols = definition[:16], definition[16:]
    table = np.zeros(TABLE_SIZE, np.int32)
    table[LAST_CODES:OFFSETS] = -1
    code = number = 0
    for length, count in enumerate(counts, start=1):
        if code + count > 1 << length:
            raise CorruptDataError(
                f"the JPEG has a Huffman table with {count} codes of {length} bits too many"
            )
        table[OFFSETS + length] = number - code
        if count:
            table[LAST_CODES + length] = code + count - 1
        for symbol in symbols[number : number + count]:
            table[SYMBOLS + number] = symbol
            table[CODES + symbol] = length << 16 | code
            if length <= LOOKUP_BITS:
                first = code << (LOOKUP_BITS - length)
                table[first : first + (1 << (LOOKUP_BITS - length))] = length << 8 | symbol
            code += 1
            number += 1
        code <<= 1
    table.flags.writeable = False
    return table

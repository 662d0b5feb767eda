"""Bytes from small whole numbers, most of them 0, and back.

A number v becomes m = 2v for v >= 0 and -2v - 1 for v < 0. Below 255, m is one byte; from 255 on the byte
is 255, and m stands as two bytes (little-endian) after the bytes of all numbers. The result is compressed
as raw DEFLATE (RFC 1951) or as a raw LZMA stream, whichever is smaller.
"""

from __future__ import annotations

import lzma
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.errors import CorruptDataError

_ESCAPE = 255

# The decoder depends on lc, lp, pb and dict_size; the others only set the effort. Measured on Kodak: no
# literal contexts and few match attempts are both the smallest and twice as fast as the presets.
_LZMA: list[dict[str, Any]] = [
    {
        "id": lzma.FILTER_LZMA1,
        "dict_size": 1 << 20,
        "lc": 0,
        "lp": 0,
        "pb": 0,
        "nice_len": 273,
        "mf": lzma.MF_HC4,
        "depth": 4,
    }
]


def pack(values: npt.NDArray[np.int16]) -> tuple[bytes, bool]:
    """Compresses numbers in the order of the array.

    Returns:
        The stream, and whether it is LZMA.
    """
    mapped = ((values << 1) ^ (values >> 15)).view(np.uint16).ravel()
    plain = np.minimum(mapped, _ESCAPE).astype(np.uint8).tobytes()
    plain += mapped[mapped >= _ESCAPE].astype("<u2").tobytes()
    deflated = deflate(plain, zlib.Z_RLE)
    lzma_coded = lzma.compress(plain, format=lzma.FORMAT_RAW, filters=_LZMA)
    return (lzma_coded, True) if len(lzma_coded) < len(deflated) else (deflated, False)


def unpack(stream: bytes, is_lzma: bool, count: int) -> npt.NDArray[np.int16]:
    """Gives back `count` numbers; never takes more than 3 bytes a number to do so.

    Raises:
        CorruptDataError: The stream does not hold exactly these.
    """
    plain = _decompress_lzma(stream, 3 * count) if is_lzma else inflate(stream, 3 * count)
    mapped = np.frombuffer(plain[:count], np.uint8).astype(np.uint16)
    escaped = mapped == _ESCAPE
    if len(plain) != count + 2 * np.count_nonzero(escaped):
        raise CorruptDataError(f"the GanPress file does not hold the {count} coefficients of its size")
    mapped[escaped] = np.frombuffer(plain[count:], "<u2")
    return ((mapped >> 1) ^ -(mapped & 1)).view(np.int16)


def deflate(plain: bytes, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    """Compresses bytes as raw DEFLATE."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
    return compressor.compress(plain) + compressor.flush()


def inflate(stream: bytes, max_bytes: int) -> bytes:
    """Gives back what raw DEFLATE holds, at most `max_bytes`.

    Raises:
        CorruptDataError: It is no such stream, holds more, or is followed by anything.
    """
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = decompressor.decompress(stream, max_bytes + 1)  # one more, so that the end is reached
    except zlib.error as error:
        raise CorruptDataError(f"the GanPress file has a broken DEFLATE stream: {error}") from error
    if not decompressor.eof or decompressor.unused_data:
        raise CorruptDataError("the GanPress file has a DEFLATE stream of a wrong length")
    return plain


def _decompress_lzma(stream: bytes, max_bytes: int) -> bytes:
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_LZMA)
    try:
        plain = decompressor.decompress(stream, max_bytes + 1)  # one more, so that the end is reached
    except lzma.LZMAError as error:
        raise CorruptDataError(f"the GanPress file has a broken LZMA stream: {error}") from error
    if not decompressor.eof or decompressor.unused_data:
        raise CorruptDataError("the GanPress file has an LZMA stream of a wrong length")
    return plain

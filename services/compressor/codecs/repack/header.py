"""All of a JPEG but its scans' bytes, compressed.

Quantisation tables are replaced by their differences from the nearest of libjpeg's tables, which most files
have. What results and what else must be kept is raw DEFLATE with a typical header as its dictionary, or raw
LZMA where that is smaller (long metadata).
"""

from __future__ import annotations

import lzma
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.errors import CorruptDataError
from services.compressor.codecs.repack.tables import HORIZONTAL, VERTICAL

_LUMA = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 "
    "18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 "
    "112 100 103 99"
)
_CHROMA = (
    "17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99 "
) + "99 " * 32
"""Tables K.1 and K.2 of ITU-T T.81, row by row."""

_HUFFMAN = (
    "ffc4001f0000010501010101010100000000000000000102030405060708090a0b"
    "ffc400b5100002010303020403050504040000017d0102030004110512213141061351610722711432"
    "8191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a4344454647"
    "48494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798"
    "999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4"
    "e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
    "ffc4001f0100030101010101010101010000000000000102030405060708090a0b"
    "ffc400b51100020102040403040705040400010277000102031104052131061241510761711322328108"
    "144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a4344454647"
    "48494a535455565758595a636465666768696a737475767778797a82838485868788898a929394959697"
    "98999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4"
    "e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
)
"""Tables K.3 to K.6 as four DHT segments."""

_LZMA: list[dict[str, Any]] = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20, "lc": 3, "lp": 0, "pb": 0}]


@lru_cache(maxsize=1)
def _dictionary() -> bytes:
    """Returns what DEFLATE may refer to: headers as libjpeg writes them, the most usual last."""
    start = bytes.fromhex("ffd8 ffe0 0010 4a46494600 0101 00 0001 0001 0000")
    table = bytes(64)
    luma, chroma = b"\xff\xdb\x00\x43\x00" + table, b"\xff\xdb\x00\x43\x01" + table
    full, half = (bytes.fromhex(f"0011080000000003 01{factors}00 021101 031101") for factors in ("11", "22"))
    baseline, progressive = b"\xff\xc0", b"\xff\xc2"
    huffman = bytes.fromhex(_HUFFMAN)
    scan, end = bytes.fromhex("ffda 000c 03 0100 0211 0311 003f00"), b"\xff\xd9"
    script = bytes.fromhex(
        "ffda 000c 03 0100 0210 0310 000001 ffda 0008 0101 00 010502 ffda 0008 0103 01 013f01 "
        "ffda 0008 0102 01 013f01 ffda 0008 0101 00 063f02 ffda 0008 0101 00 013f21 "
        "ffda 000c 03 0100 0200 0300 000010 ffda 0008 0103 01 013f10 ffda 0008 0102 01 013f10 "
        "ffda 0008 0101 00 013f10 ffd9"
    )
    rare = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x01\xff\xdd\x00\x04\x00"
    exif = b"\xff\xe1\x00\x00Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08Exif\x00\x00II\x2a\x00\x08\x00\x00\x00"
    joined = b"\xff\xdb\x00\x84\x00" + table + b"\x01" + table
    grey = (
        bytes.fromhex("ffc0 000b 08 00000000 01 011100")
        + huffman[:210]
        + bytes.fromhex("ffda 0008 0101 00 003f00")
    )
    photograph = start + luma + chroma + baseline + half + huffman + scan + end
    return b"".join(
        [
            rare,
            exif,
            joined,
            start + luma + grey + end,
            progressive + half,
            script,
            baseline + full,
            photograph,
        ]
    )


def compress(plain: bytes) -> tuple[bytes, bool]:
    """Returns the bytes compressed, and whether that is LZMA."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zdict=_dictionary())
    deflated = deflater.compress(plain) + deflater.flush()
    packed = lzma.compress(plain, format=lzma.FORMAT_RAW, filters=_LZMA)
    return (packed, True) if len(packed) < len(deflated) else (deflated, False)


def decompress(stream: bytes, size: int, *, is_lzma: bool) -> bytes:
    """Gives back the `size` bytes that a stream holds.

    Raises:
        CorruptDataError: It does not hold exactly these.
    """
    try:
        if is_lzma:
            decompressor: Any = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_LZMA)
        else:
            decompressor = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_dictionary())
        plain = decompressor.decompress(stream, size + 1)  # one more, so that the end is reached
    except (lzma.LZMAError, zlib.error) as error:
        raise CorruptDataError(f"the GanPress file has a broken header: {error}") from error
    if len(plain) != size or not decompressor.eof or decompressor.unused_data:
        raise CorruptDataError(f"the GanPress file has a header that is not of {size} bytes")
    return plain


def difference_quantisers(skeleton: bytes, tables: list[int]) -> tuple[bytes, bytes]:
    """Replaces quantisation tables by differences from libjpeg's.

    Args:
        skeleton: A file without its scans' bytes.
        tables: Where tables of 64 bytes begin in it.

    Returns:
        The skeleton with differences modulo 256, and for each table the number of libjpeg's that was taken.
    """
    changed = bytearray(skeleton)
    numbers = bytearray()
    known = _libjpeg_tables()
    for start in tables:
        table = np.frombuffer(skeleton, np.uint8, 64, start)
        number = int(np.abs(known - table.astype(np.int64)).sum(axis=1).argmin())
        changed[start : start + 64] = ((table - known[number]) & 255).astype(np.uint8).tobytes()
        numbers.append(number)
    return bytes(changed), bytes(numbers)


def sum_quantisers(changed: bytes, tables: list[int], numbers: bytes) -> bytes:
    """Undoes `difference_quantisers`.

    Raises:
        CorruptDataError: There are more or fewer numbers than tables, or one is none of libjpeg's tables'.
    """
    known = _libjpeg_tables()
    if len(numbers) != len(tables) or any(number >= len(known) for number in numbers):
        raise CorruptDataError("the GanPress file has quantisation tables without meaning")
    skeleton = bytearray(changed)
    for start, number in zip(tables, numbers, strict=True):
        table = np.frombuffer(changed, np.uint8, 64, start)
        skeleton[start : start + 64] = ((table + known[number]) & 255).astype(np.uint8).tobytes()
    return bytes(skeleton)


@lru_cache(maxsize=1)
def _libjpeg_tables() -> npt.NDArray[np.int64]:
    """Returns libjpeg's tables in zigzag order, [200, 64]: luma of qualities 1 to 100, then chroma."""
    natural = 8 * VERTICAL + HORIZONTAL
    tables: list[npt.NDArray[np.int64]] = []
    for text in (_LUMA, _CHROMA):
        base = np.array(text.split(), np.int64)[natural]
        for quality in range(1, 101):
            scale = 5000 // quality if quality < 50 else 200 - 2 * quality
            tables.append(np.clip((base * scale + 50) // 100, 1, 255))
    return np.stack(tables)

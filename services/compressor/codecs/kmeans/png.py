"""Indexed PNG (ISO/IEC 15948, colour type 3) of the fewest bits a pixel, with the filter that suits it."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.base import Pixels
from services.compressor.codecs.marking import CHUNK

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAMPLE_ROWS = 64


def indexed_png(indices: npt.NDArray[np.uint8], palette: Pixels) -> bytes:
    """Returns the file.

    Args:
        indices: Entry of each pixel, [height, width].
        palette: At most 256 colours, [entries, 1, 3 or 4]; transparent ones come first.
    """
    height_px, width_px = indices.shape
    channels = palette.shape[1]
    bits = next(bits for bits in (1, 2, 4, 8) if len(palette) <= 1 << bits)
    rgb = np.repeat(palette, 3, axis=1) if channels == 1 else palette[:, :3]
    chunks = [
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width_px, height_px, bits, 3, 0, 0, 0)),
        _chunk(CHUNK, bytes([channels])),
        _chunk(b"PLTE", rgb.tobytes()),
    ]
    if channels == 4:
        # Entries without a number in tRNS are opaque.
        translucent = np.flatnonzero(palette[:, 3] < 255)
        alpha = palette[: translucent[-1] + 1, 3] if len(translucent) else palette[:1, 3]
        chunks.append(_chunk(b"tRNS", alpha.tobytes()))
    rows = _packed_rows(indices, bits)
    chunks += [_chunk(b"IDAT", _smallest_stream(rows)), _chunk(b"IEND", b"")]
    return _SIGNATURE + b"".join(chunks)


def _packed_rows(indices: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.uint8]:
    """Returns the rows' bytes, the leftmost pixel in a byte's upper bits."""
    if bits == 8:
        return indices
    each = 8 // bits
    padded = np.pad(indices, ((0, 0), (0, -indices.shape[1] % each)))
    packed = np.zeros((len(indices), padded.shape[1] // each), np.uint8)
    for position in range(each):
        packed |= padded[:, position::each] << np.uint8(8 - bits * (position + 1))
    return packed


def _smallest_stream(rows: npt.NDArray[np.uint8]) -> bytes:
    """Returns the rows as a zlib stream, under the filter that does best on a sample from their middle."""
    start = max(0, (len(rows) - _SAMPLE_ROWS) // 2)
    sample = rows[start : start + _SAMPLE_ROWS]
    sizes = [len(zlib.compress(_filtered(sample, kind), 6)) for kind in range(5)]
    best = int(np.argmin(sizes))
    return zlib.compress(_filtered(rows, best), 9)


def _filtered(rows: npt.NDArray[np.uint8], kind: int) -> bytes:
    """Returns the rows, each after its filter: 0 none, 1 left, 2 above, 3 mean of both, 4 Paeth."""
    padded = np.pad(rows, ((1, 0), (1, 0))).astype(np.int16)
    left, above, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    if kind == 0:
        predicted = np.zeros_like(left)
    elif kind == 1:
        predicted = left
    elif kind == 2:
        predicted = above
    elif kind == 3:
        predicted = (left + above) >> 1
    else:
        estimate = left + above - corner
        to_left, to_above, to_corner = (np.abs(estimate - near) for near in (left, above, corner))
        predicted = np.where(
            (to_left <= to_above) & (to_left <= to_corner),
            left,
            np.where(to_above <= to_corner, above, corner),
        )
    differences = (rows - predicted).astype(np.uint8)
    return np.pad(differences, ((0, 0), (1, 0)), constant_values=kind).tobytes()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

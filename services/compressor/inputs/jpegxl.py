"""The size in a JPEG XL header (ISO/IEC 18181-1), for a decoder that tells it too late."""

from __future__ import annotations

_CODESTREAM = b"\xff\x0a"
_CONTAINER = bytes.fromhex("0000000c4a584c200d0a870a")
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def is_jpegxl(data: bytes) -> bool:
    """Tells whether the bytes begin as a JPEG XL file does."""
    return data.startswith((_CODESTREAM, _CONTAINER))


def size(data: bytes) -> tuple[int, int]:
    """Returns width and height in pixels.

    Raises:
        ValueError: The data ends before, or has no codestream.
    """
    bits = _Bits(_codestream(data)[2:])
    if bits.take(1):
        height_px = 8 * (1 + bits.take(5))
        ratio = bits.take(3)
        width_px = 0 if ratio else 8 * (1 + bits.take(5))
    else:
        height_px = _side(bits)
        ratio = bits.take(3)
        width_px = 0 if ratio else _side(bits)
    if ratio:
        numerator, denominator = _RATIOS[ratio - 1]
        width_px = height_px * numerator // denominator
    return width_px, height_px


class _Bits:
    """Bits of bytes, the lowest first."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data[:16], "little")
        self._left = 8 * len(data[:16])

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the JPEG XL header is cut off")
        self._left -= count
        value = self._number & ((1 << count) - 1)
        self._number >>= count
        return value


def _side(bits: _Bits) -> int:
    return 1 + bits.take((9, 13, 18, 30)[bits.take(2)])


def _codestream(data: bytes) -> bytes:
    """Returns the bytes from the codestream's beginning on."""
    if data.startswith(_CODESTREAM):
        return data
    offset = len(_CONTAINER)
    while offset + 8 <= len(data):
        length, kind, head = (
            int.from_bytes(data[offset : offset + 4], "big"),
            data[offset + 4 : offset + 8],
            8,
        )
        if length == 1:
            length, head = int.from_bytes(data[offset + 8 : offset + 16], "big"), 16
        if kind in (b"jxlc", b"jxlp"):
            found = data[offset + head + (4 if kind == b"jxlp" else 0) :]
            if found.startswith(_CODESTREAM):
                return found
        if length < head:  # the last box, or a broken one
            break
        offset += length
    raise ValueError("the JPEG XL file has no codestream")

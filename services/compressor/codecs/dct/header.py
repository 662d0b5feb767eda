"""The payload of a DCT file: what the picture's header says, the alpha plane, the coefficients' stream."""

from __future__ import annotations

from dataclasses import dataclass

from services.compressor.codecs.container import read_varint, varint
from services.compressor.codecs.dct.steps import Quantiser
from services.compressor.codecs.errors import CorruptDataError

_YCBCR, _HALVED, _SIZES, _FILTERED, _LIGHT, _STEEP = 1, 2, 4, 8, 16, 128
_PRIOR_SHIFT = 5


@dataclass(frozen=True)
class Header:
    """How a picture was coded."""

    quantiser: Quantiser
    """Steps."""
    is_ycbcr: bool
    """Whether planes are luma and two colour differences; else they are the channels."""
    is_halved: bool
    """Whether the second and third plane have half the rows and columns."""
    codes_sizes: bool
    """Whether blocks of 16 and 32 occur; else all are 8 x 8 and no size is coded."""
    is_filtered: bool
    """Whether the planes are filtered; the filter's numbers come first in the stream."""
    is_light: bool
    """Whether magnitudes have four contexts instead of eight, and signs none."""
    prior: int
    """Which trained state the entropy coder begins with; 0 is none."""

    def pack(self) -> bytes:
        """Returns 3 bytes."""
        slope = self.quantiser.slope
        flags = (
            _YCBCR * self.is_ycbcr
            | _HALVED * self.is_halved
            | _SIZES * self.codes_sizes
            | _FILTERED * self.is_filtered
            | _LIGHT * self.is_light
            | self.prior << _PRIOR_SHIFT
            | _STEEP * (slope > 15)
        )
        return bytes([flags, self.quantiser.index, (slope >> (slope > 15)) << 4 | self.quantiser.chroma])


def pack_payload(header: Header, alpha: bytes | None, stream: bytes) -> bytes:
    """Returns a payload."""
    middle = b"" if alpha is None else varint(len(alpha)) + alpha
    return header.pack() + middle + stream


def unpack_payload(payload: bytes, *, channels: int, priors: int) -> tuple[Header, bytes | None, bytes]:
    """Returns header, alpha stream (None without alpha) and the coefficients' stream.

    Raises:
        CorruptDataError: The payload is too short, or its header has no meaning.
    """
    if len(payload) < 3:
        raise CorruptDataError("the GanPress file is too short for a picture's header")
    flags, index, weights = payload[:3]
    prior = flags >> _PRIOR_SHIFT & 3
    is_sized_light = flags & _SIZES and flags & _LIGHT
    if prior > priors or is_sized_light or (channels == 1 and flags & (_YCBCR | _HALVED)):
        raise CorruptDataError(f"the GanPress file has flags {flags:#04x}, which have no meaning here")
    header = Header(
        Quantiser(index, (weights >> 4) << (flags >> 7), weights & 15),
        bool(flags & _YCBCR),
        bool(flags & _HALVED),
        bool(flags & _SIZES),
        bool(flags & _FILTERED),
        bool(flags & _LIGHT),
        prior,
    )
    if channels < 4:
        return header, None, payload[3:]
    alpha_bytes, start = read_varint(payload, 3)
    if start + alpha_bytes > len(payload):
        raise CorruptDataError("the GanPress file is too short for its alpha plane")
    return header, payload[start : start + alpha_bytes], payload[start + alpha_bytes :]

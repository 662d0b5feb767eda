"""The payload of a seed file, byte by byte as in docs/codecs/seed.md."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from services.compressor.codecs.errors import CorruptDataError, InvalidOptionError
from services.compressor.codecs.seed.guard import GuardSample, pack_guard, unpack_guard

DIGEST_BYTES = 16
"""What is kept of the model's SHA-256: enough to tell any two models apart."""

_NO_TRUNCATION, _SHORT_TRUNCATION, _ANY_TRUNCATION = 0, 1, 2
_HAS_DIFFERENCE, _IS_HALVED = 4, 8
_SEED_SHIFT = 4
_MAX_SEED = 2**64 - 1
_LONGEST_LABEL_BYTES = 255
_HEX = re.compile(f"[0-9a-f]{{{2 * DIGEST_BYTES},64}}")
_FLOAT64, _UINT16, _CRC = struct.Struct("<d"), struct.Struct("<H"), struct.Struct("<I")
_SHORT_UNIT = 10_000


@dataclass(frozen=True)
class Origin:
    """What names a generated image: the same four give the same image."""

    model_digest: str
    """SHA-256 of the model's file, lower-case hexadecimal; from a file, its first 32 digits."""
    label: str
    """Label; empty for a model without labels."""
    seed: int
    """Seed of this image alone, 0..2^64 - 1."""
    truncation: float = 1.0
    """Factor on the latent vector, above 0 and at most 1."""

    def __post_init__(self) -> None:
        if not _HEX.fullmatch(self.model_digest):
            raise InvalidOptionError(
                f"a model's digest is 32 to 64 hexadecimal digits in lower case, not {self.model_digest!r}"
            )
        if len(self.label.encode(errors="replace")) > _LONGEST_LABEL_BYTES:
            raise InvalidOptionError(
                f"a label has at most {_LONGEST_LABEL_BYTES} bytes of UTF-8, not {self.label[:40]!r}..."
            )
        if not 0 <= self.seed <= _MAX_SEED:
            raise InvalidOptionError(f"seeds go from 0 to {_MAX_SEED}, {self.seed} is not among them")
        if not 0 < self.truncation <= 1:
            raise InvalidOptionError(f"truncation has to be above 0 and at most 1, not {self.truncation}")


@dataclass(frozen=True)
class SeedPayload:
    """What a seed file says."""

    origin: Origin
    """What names the generated image."""
    checksum: int
    """CRC-32 of its samples, in the order of the array."""
    guard: tuple[GuardSample, ...]
    """Samples that come so close to rounding the other way that another machine may do so."""
    difference: bytes
    """File of the DCT codec with what was edited; empty for the image as it was generated."""
    is_halved: bool = False
    """Whether the difference holds half of what was edited, for it is large."""

    def pack(self) -> bytes:
        """Returns the payload."""
        origin = self.origin
        seed = origin.seed.to_bytes(max(1, -(-origin.seed.bit_length() // 8)), "little")
        label = origin.label.encode()
        kind, truncation = _packed_truncation(origin.truncation)
        flags = (
            kind
            | bool(self.difference) * _HAS_DIFFERENCE
            | self.is_halved * _IS_HALVED
            | (len(seed) - 1) << _SEED_SHIFT
        )
        digest = bytes.fromhex(origin.model_digest[: 2 * DIGEST_BYTES])
        head = bytes([flags]) + digest + bytes([len(label)]) + label + seed + truncation
        return head + _CRC.pack(self.checksum) + pack_guard(self.guard) + self.difference

    @classmethod
    def unpack(cls, payload: bytes) -> SeedPayload:
        """Returns what a payload says.

        Raises:
            CorruptDataError: It is not what the codec writes.
        """
        reader = _Reader(payload)
        flags = reader.take(1)[0]
        digest = reader.take(DIGEST_BYTES).hex()
        label = reader.take(reader.take(1)[0])
        seed = int.from_bytes(reader.take((flags >> _SEED_SHIFT & 7) + 1), "little")
        truncation = _read_truncation(flags & 3, reader)
        checksum = _CRC.unpack(reader.take(4))[0]
        guard, guard_bytes = unpack_guard(reader.rest())
        difference = reader.rest()[guard_bytes:]
        if bool(difference) != bool(flags & _HAS_DIFFERENCE) or flags & 0x80:
            raise CorruptDataError("the seed file contradicts itself: its flags are not those of its parts")
        try:
            origin = Origin(digest, label.decode(), seed, truncation)
        except (UnicodeDecodeError, InvalidOptionError) as error:
            raise CorruptDataError(f"the seed file names no generated image: {error}") from None
        return cls(origin, checksum, guard, difference, bool(flags & _IS_HALVED))


def _packed_truncation(truncation: float) -> tuple[int, bytes]:
    """Returns how a truncation is written, and its bytes: most are a few decimals."""
    if truncation == 1:
        return _NO_TRUNCATION, b""
    short = round(truncation * _SHORT_UNIT)
    if short / _SHORT_UNIT == truncation:
        return _SHORT_TRUNCATION, _UINT16.pack(short)
    return _ANY_TRUNCATION, _FLOAT64.pack(truncation)


def _read_truncation(kind: int, reader: _Reader) -> float:
    if kind == _NO_TRUNCATION:
        return 1.0
    if kind == _SHORT_TRUNCATION:
        return _UINT16.unpack(reader.take(2))[0] / _SHORT_UNIT
    if kind == _ANY_TRUNCATION:
        return _FLOAT64.unpack(reader.take(8))[0]
    raise CorruptDataError("the seed file was altered: there is no truncation of kind 3")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size_bytes: int) -> bytes:
        part = self._data[self._at : self._at + size_bytes]
        if len(part) < size_bytes:
            raise CorruptDataError("the seed file is truncated")
        self._at += size_bytes
        return part

    def rest(self) -> bytes:
        return self._data[self._at :]

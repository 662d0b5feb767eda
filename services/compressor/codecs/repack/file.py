"""Repacked JPEG files: all that is in a JPEG, in fewer bytes; docs/codecs/repack.md."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.compressor.codecs import container
from services.compressor.codecs.base import DEFAULT_MAX_PIXELS
from services.compressor.codecs.container import read_varint, varint
from services.compressor.codecs.errors import CorruptDataError, UnsupportedImageError
from services.compressor.codecs.repack import coefficients as stream
from services.compressor.codecs.repack import header
from services.compressor.codecs.repack.layout import Coefficients, scan_geometry
from services.compressor.codecs.repack.scan_decoding import ScanTraits, decode_scan
from services.compressor.codecs.repack.scan_encoding import encode_scan
from services.compressor.codecs.repack.syntax import Frame, Reader, Scan

MAX_JPEG_BYTES = 1 << 26
"""Largest JPEG that is repacked or restored."""

_LZMA, _ZEROS, _PADDING, _SPLITS, _TRAINED = 1, 2, 4, 8, 16
_ALL_FLAGS = 31
_FIXED = struct.Struct("<BI")
"""Flags, CRC-32 of the JPEG."""


@dataclass(frozen=True)
class _Parsed:
    """A JPEG taken apart."""

    skeleton: bytes
    frame: Frame
    quantisers: npt.NDArray[np.int64]
    narrow_tables: list[int]
    scans: list[Scan]
    """Their starts are places in the skeleton."""


def pack(jpeg: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
    """Returns a JPEG file repacked: `unpack` gives the identical file back, which is tried here.

    Raises:
        CorruptDataError: It is no JPEG, or one that is truncated or broken.
        UnsupportedImageError: It is of a kind that cannot be repacked; the message says which.
        TooManyPixelsError: It has more than `max_pixels` pixels.
    """
    if len(jpeg) > MAX_JPEG_BYTES:
        raise UnsupportedImageError(
            f"the JPEG has {len(jpeg)} bytes; at most {MAX_JPEG_BYTES} can be repacked"
        )
    skeleton, traits, coefficients = take_apart(jpeg, max_pixels)
    parsed = parse(skeleton, max_pixels)
    for flags in _guess_flags(traits):
        if _put_together(parsed, coefficients, len(jpeg), *_shown(flags, traits)) == jpeg:
            break
    else:
        raise UnsupportedImageError(
            "the JPEG cannot be repacked: its scans are coded in a way that cannot be repeated bit by bit"
        )
    changed, numbers = header.difference_quantisers(skeleton, parsed.narrow_tables)
    traits_bytes = numbers + _write_traits(flags, traits)
    packed_header, is_lzma = header.compress(changed + traits_bytes)
    sizes = (len(jpeg), len(changed), len(traits_bytes), len(packed_header))
    payload = b"".join(
        [
            _FIXED.pack(flags | is_lzma * _LZMA | _TRAINED, zlib.crc32(jpeg)),
            *map(varint, sizes),
            packed_header,
            stream.encode(parsed.frame, parsed.quantisers, coefficients),
        ]
    )
    frame = parsed.frame
    channels = 1 if len(frame.components) == 1 else 3
    data = container.Container(container.JPEG, frame.width_px, frame.height_px, channels, payload).pack()
    if unpack(data, max_pixels=max_pixels) != jpeg:
        raise UnsupportedImageError("the JPEG cannot be repacked: it does not come back as it was")
    return data


def unpack(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
    """Returns the JPEG file that was repacked, byte for byte.

    Raises:
        CorruptDataError: It is no repacked JPEG, or one that is truncated or altered.
        TooManyPixelsError: It has more than `max_pixels` pixels.
    """
    held = container.unpack(data, max_pixels=max_pixels)
    if held.codec != container.JPEG:
        raise CorruptDataError(f"the GanPress file holds codec {held.codec}, not a repacked JPEG")
    flags, checksum, sizes, start = _read_fixed(held.payload)
    size, skeleton_bytes, traits_bytes, header_bytes = sizes
    stream_start = start + header_bytes
    plain = header.decompress(
        held.payload[start:stream_start], skeleton_bytes + traits_bytes, is_lzma=bool(flags & _LZMA)
    )
    changed, traits = plain[:skeleton_bytes], plain[skeleton_bytes:]
    tables = parse(changed, max_pixels).narrow_tables
    skeleton = header.sum_quantisers(changed, tables, traits[: len(tables)])
    parsed = parse(skeleton, max_pixels)
    if (parsed.frame.width_px, parsed.frame.height_px) != (held.width_px, held.height_px):
        raise CorruptDataError("the GanPress file has a JPEG of another size than it announces")
    paddings, splits = _read_traits(flags, traits[len(tables) :], parsed)
    coefficients = stream.decode(
        parsed.frame, parsed.quantisers, held.payload[stream_start:], is_trained=bool(flags & _TRAINED)
    )
    try:
        jpeg = _put_together(parsed, coefficients, size, paddings, splits)
    except UnsupportedImageError as error:
        raise CorruptDataError("the GanPress file has coefficients that its JPEG has no codes for") from error
    if zlib.crc32(jpeg) != checksum or len(jpeg) != size:
        raise CorruptDataError("the GanPress file does not give back the JPEG that was repacked")
    return jpeg


def jpeg_bytes(payload: bytes) -> int:
    """Returns the size in bytes of the JPEG in a container's payload.

    Raises:
        CorruptDataError: It is no such payload.
    """
    _, _, sizes, _ = _read_fixed(payload)
    return sizes[0]


def _read_fixed(payload: bytes) -> tuple[int, int, list[int], int]:
    """Returns flags, checksum, the four sizes in bytes, and where the header begins."""
    if len(payload) < _FIXED.size:
        raise CorruptDataError("the GanPress file is too short for a repacked JPEG")
    flags, checksum = _FIXED.unpack_from(payload)
    position = _FIXED.size
    sizes: list[int] = []
    for _ in range(4):
        size, position = read_varint(payload, position)
        if size > MAX_JPEG_BYTES:
            raise CorruptDataError(
                f"the GanPress file announces {size} bytes; at most {MAX_JPEG_BYTES} are read"
            )
        sizes.append(size)
    if sizes[1] > sizes[0]:
        raise CorruptDataError(f"the GanPress file announces {sizes[1]} bytes of a JPEG that has {sizes[0]}")
    if flags & ~_ALL_FLAGS:
        raise CorruptDataError(f"the GanPress file has flags {flags}, which have no meaning")
    return flags, checksum, sizes, position


def take_apart(jpeg: bytes, max_pixels: int) -> tuple[bytes, list[ScanTraits], Coefficients]:
    """Returns a JPEG without its scans' bytes, what those hold, and the coefficients."""
    reader = Reader(jpeg, max_pixels=max_pixels)
    buffer = np.frombuffer(jpeg, np.uint8).copy()
    coefficients: Coefficients | None = None
    parts: list[bytes] = []
    traits: list[ScanTraits] = []
    position = 0
    while scan := reader.next_scan(position):
        if coefficients is None:
            coefficients = stream.new_coefficients(reader.frame)
        parts.append(jpeg[position : scan.start])
        traits.append(decode_scan(buffer, reader.frame, scan, coefficients))
        position = traits[-1].end
    if coefficients is None:
        raise CorruptDataError("the JPEG is truncated or broken: it has no scan")
    return b"".join([*parts, jpeg[position:]]), traits, coefficients


def parse(skeleton: bytes, max_pixels: int) -> _Parsed:
    """Returns what a JPEG without its scans' bytes says; raises as `pack` does."""
    reader = Reader(skeleton, max_pixels=max_pixels)
    scans: list[Scan] = []
    while scan := reader.next_scan(scans[-1].start if scans else 0):
        scans.append(scan)
    return _Parsed(skeleton, reader.frame, reader.quantisers, reader.narrow_tables, scans)


def _put_together(
    parsed: _Parsed,
    coefficients: Coefficients,
    size: int,
    paddings: Iterable[npt.NDArray[np.uint8]],
    splits: Iterable[npt.NDArray[np.int32] | None],
) -> bytes:
    """Returns a JPEG from its parts; what would be longer than `size` bytes is cut off."""
    output = np.empty(size + 1, np.uint8)
    end = copied = 0
    skeleton = np.frombuffer(parsed.skeleton, np.uint8)
    for scan, padding, split in zip(parsed.scans, paddings, splits, strict=True):
        end = _append(output, end, skeleton[copied : scan.start])
        copied = scan.start
        end = encode_scan(parsed.frame, scan, coefficients, output, end, padding=padding, splits=split)
    end = _append(output, end, skeleton[copied:])
    return output[:end].tobytes()


def _append(output: npt.NDArray[np.uint8], end: int, part: npt.NDArray[np.uint8]) -> int:
    room = max(len(output) - end, 0)
    output[end : end + min(len(part), room)] = part[:room]
    return end + len(part)


def _guess_flags(traits: list[ScanTraits]) -> list[int]:
    """Returns flags to try: as little as may do, then all that there is."""
    paddings = np.concatenate([trait.padding for trait in traits])
    padding = _PADDING if paddings.any() else _ZEROS
    has_splits = any(len(trait.splits) for trait in traits)
    return [0, padding, *([_SPLITS, padding | _SPLITS] if has_splits else [])]


def _shown(
    flags: int, traits: list[ScanTraits]
) -> tuple[list[npt.NDArray[np.uint8]], list[npt.NDArray[np.int32] | None]]:
    """Returns paddings and splits as a decoder will see them."""
    usual = np.array([0 if flags & _ZEROS else 0xFF], np.uint8)
    paddings = [trait.padding if flags & _PADDING else usual for trait in traits]
    return paddings, [trait.splits if flags & _SPLITS else None for trait in traits]


def _write_traits(flags: int, traits: list[ScanTraits]) -> bytes:
    parts: list[bytes] = []
    if flags & _PADDING:
        parts += [trait.padding.tobytes() for trait in traits]
    if flags & _SPLITS:
        for trait in traits:
            parts += [
                struct.pack("<I", len(trait.splits)),
                np.diff(trait.splits, prepend=0).astype("<u4").tobytes(),
            ]
    return b"".join(parts)


def _read_traits(
    flags: int, data: bytes, parsed: _Parsed
) -> tuple[list[npt.NDArray[np.uint8]], list[npt.NDArray[np.int32] | None]]:
    usual = np.array([0 if flags & _ZEROS else 0xFF], np.uint8)
    paddings = [usual] * len(parsed.scans)
    splits: list[npt.NDArray[np.int32] | None] = [None] * len(parsed.scans)
    position = 0

    def take(size: int) -> bytes:
        nonlocal position
        position += size
        if position > len(data):
            raise CorruptDataError("the GanPress file has too little about the JPEG's scans")
        return data[position - size : position]

    if flags & _PADDING:
        for i, scan in enumerate(parsed.scans):
            _, rows, columns = scan_geometry(parsed.frame, scan)
            count = -(-rows * columns // (scan.restart_interval or rows * columns))
            paddings[i] = np.frombuffer(take(count), np.uint8)
    if flags & _SPLITS:
        for i in range(len(parsed.scans)):
            (count,) = struct.unpack("<I", take(4))
            splits[i] = np.cumsum(np.frombuffer(take(4 * count), "<u4")).astype(np.int32)
    if position != len(data):
        raise CorruptDataError("the GanPress file has too much about the JPEG's scans")
    return paddings, splits

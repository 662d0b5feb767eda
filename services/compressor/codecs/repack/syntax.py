"""The markers of a JPEG file (ITU-T T.81, annex B): frame, tables and scans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.container import check_pixels
from services.compressor.codecs.errors import CorruptDataError, UnsupportedImageError
from services.compressor.codecs.repack.huffman import TABLE_SIZE, build_table

MAX_SCANS = 256
"""Most scans of a file; the longest scripts in use have about 60."""

_SOI, _EOI, _SOS, _DQT, _DHT, _DRI, _DNL, _DAC = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xDC, 0xCC
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a segment: TEM, RST0 to RST7 and SOI."""
_FRAMES = set(range(0xC0, 0xD0)) - {_DHT, 0xC8, _DAC}
_PROGRESSIVE = 0xC2
_SUPPORTED_FRAMES = {0xC0, 0xC1, _PROGRESSIVE}


@dataclass(frozen=True)
class Component:
    """One plane of a frame."""

    identifier: int
    """What scans call it."""
    horizontal: int
    """Blocks side by side in an MCU, 1 to 4."""
    vertical: int
    """Blocks one above the other in an MCU, 1 to 4."""
    quantiser: int
    """Number of its quantisation table."""
    rows: int
    """Rows of blocks that hold the image: those of a scan of this component alone."""
    columns: int
    """Columns of such blocks."""
    stored_rows: int
    """Rows of blocks with those that fill up the last MCUs."""
    stored_columns: int
    """Columns of blocks with those that fill up the last MCUs."""


@dataclass(frozen=True)
class Frame:
    """What the SOF segment says."""

    width_px: int
    """Width."""
    height_px: int
    """Height."""
    is_progressive: bool
    """Whether scans hold parts of coefficients."""
    components: tuple[Component, ...]
    """1, 3 or 4 planes."""
    mcu_rows: int
    """Rows of MCUs in a scan of several components."""
    mcu_columns: int
    """Columns of such MCUs."""


@dataclass(frozen=True)
class Scan:
    """One scan: what its SOS segment and the tables before it say."""

    start: int
    """Where in the data its entropy-coded bytes begin."""
    components: tuple[int, ...]
    """Numbers of the frame's components in it."""
    first: int
    """First coefficient in zigzag order."""
    last: int
    """Last coefficient."""
    high: int
    """Bit position of the scan before for these coefficients, 0 for the first."""
    low: int
    """Bit position of this scan."""
    restart_interval: int
    """MCUs between restart markers, 0 without."""
    tables: npt.NDArray[np.int32]
    """DC and AC Huffman tables of each component, [2 x components, TABLE_SIZE]; zeros where not needed."""


class Reader:
    """Walks through a JPEG file from scan to scan.

    The same walk goes over a whole file and over one without its entropy-coded bytes: the caller says
    where the bytes after a scan begin.
    """

    def __init__(self, data: bytes, *, max_pixels: int) -> None:
        """Takes the file.

        Raises:
            CorruptDataError: It does not begin as a JPEG does.
        """
        if not data.startswith(b"\xff\xd8\xff"):
            what = f"begins with {data[:3].hex(' ')}" if data else "is empty"
            raise CorruptDataError(f"repack takes JPEG files, which begin with ff d8 ff; this one {what}")
        self._data = data
        self._max_pixels = max_pixels
        self._frame: Frame | None = None
        self._definitions: dict[int, bytes] = {}
        self._restart_interval = 0
        self._scans = 0
        self.quantisers = np.zeros((4, 64), np.int64)
        """Quantisation tables in zigzag order as they are now; zeros where there is none."""
        self.narrow_tables: list[int] = []
        """Where quantisation tables of 64 bytes began."""

    @property
    def frame(self) -> Frame:
        """The frame.

        Raises:
            CorruptDataError: No scan was reached.
        """
        if not self._frame:
            raise CorruptDataError("the JPEG is truncated or broken: it has no frame")
        return self._frame

    def next_scan(self, position: int) -> Scan | None:
        """Returns the next scan at or after a position that is no entropy-coded data, None at the end.

        Raises:
            CorruptDataError: A segment is broken or truncated.
            UnsupportedImageError: It is a kind of JPEG that cannot be repacked.
            TooManyPixelsError: The frame has more pixels than accepted.
        """
        while (found := self._next_marker(position)) is not None:
            marker, position = found
            if marker == _EOI:
                return None
            if marker in _ALONE:
                continue
            segment = self._segment(marker, position)
            position += 2 + len(segment)
            if marker == _SOS:
                return self._read_scan(segment, position)
            self._read_segment(marker, segment, position - len(segment))
        return None

    def _next_marker(self, position: int) -> tuple[int, int] | None:
        """Returns the next marker and the position after it; bytes that are none are passed over."""
        data = self._data
        while (position := data.find(0xFF, position)) >= 0 and position + 1 < len(data):
            if data[position + 1] not in (0x00, 0xFF):
                return data[position + 1], position + 2
            position += 1
        return None

    def _segment(self, marker: int, position: int) -> bytes:
        length = int.from_bytes(self._data[position : position + 2], "big")
        if length < 2 or position + length > len(self._data):
            raise CorruptDataError(
                f"the JPEG is truncated or broken: the segment of marker ff {marker:02x} "
                f"at byte {position - 2} has {length} bytes, {len(self._data) - position} are left"
            )
        return self._data[position + 2 : position + length]

    def _read_segment(self, marker: int, segment: bytes, start: int) -> None:
        if marker == _DQT:
            self._read_quantisers(segment, start)
        elif marker == _DHT:
            self._read_huffman(segment)
        elif marker == _DRI:
            self._restart_interval = int.from_bytes(_exactly(segment, 2, "restart interval"), "big")
        elif marker in _FRAMES:
            self._read_frame(marker, segment)
        elif marker == _DNL:
            raise UnsupportedImageError("JPEGs with a DNL marker cannot be repacked")

    def _read_quantisers(self, segment: bytes, start: int) -> None:
        while segment:
            is_wide, number = segment[0] >> 4, segment[0] & 15
            size = 128 if is_wide else 64
            if is_wide > 1 or number > 3 or len(segment) < 1 + size:
                raise CorruptDataError("the JPEG has a broken quantisation table")
            values = np.frombuffer(segment[1 : 1 + size], ">u2" if is_wide else np.uint8)
            self.quantisers[number] = values
            if not is_wide:
                self.narrow_tables.append(start + 1)
            segment = segment[1 + size :]
            start += 1 + size

    def _read_huffman(self, segment: bytes) -> None:
        while segment:
            kind, counts = segment[0], segment[1:17]
            size = 17 + sum(counts)
            if kind & 0xEC or len(counts) < 16 or sum(counts) > 256 or len(segment) < size:
                raise CorruptDataError("the JPEG has a broken Huffman table")
            self._definitions[kind] = segment[1:size]
            segment = segment[size:]

    def _read_frame(self, marker: int, segment: bytes) -> None:
        _check_frame_kind(marker)
        if self._frame:
            raise UnsupportedImageError("JPEGs with several frames cannot be repacked")
        if len(segment) < 6 or len(segment) != 6 + 3 * segment[5]:
            raise CorruptDataError("the JPEG has a broken frame header")
        precision_bits, count = segment[0], segment[5]
        height_px, width_px = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
        if precision_bits != 8:
            raise UnsupportedImageError(
                f"JPEGs with {precision_bits}-bit samples cannot be repacked, those with 8 bits can"
            )
        if count not in (1, 3, 4):
            raise UnsupportedImageError(
                f"JPEGs with {count} components cannot be repacked, those with 1, 3 or 4 can"
            )
        if not height_px:
            raise UnsupportedImageError(
                "JPEGs that tell their height after the first scan cannot be repacked"
            )
        if not width_px:
            raise CorruptDataError("the JPEG has a broken frame header: its width is 0")
        check_pixels(width_px, height_px, self._max_pixels)
        fields = [tuple(segment[i : i + 3]) for i in range(6, len(segment), 3)]
        self._frame = _frame(width_px, height_px, marker == _PROGRESSIVE, fields)

    def _read_scan(self, segment: bytes, start: int) -> Scan:
        frame = self.frame
        self._scans += 1
        if self._scans > MAX_SCANS:
            raise UnsupportedImageError(f"JPEGs with more than {MAX_SCANS} scans cannot be repacked")
        if not segment or not 1 <= segment[0] <= 4 or len(segment) != 4 + 2 * segment[0]:
            raise CorruptDataError("the JPEG has a broken scan header")
        numbers = {component.identifier: i for i, component in enumerate(frame.components)}
        chosen, first, last, bits = segment[1:-3:2], *segment[-3:]
        if len(set(chosen)) != len(chosen) or not set(chosen) <= set(numbers):
            raise CorruptDataError("the JPEG has a scan of components that its frame lacks")
        high, low = bits >> 4, bits & 15
        if frame.is_progressive:
            is_band = first <= last <= 63 and (not first or len(chosen) == 1) and (first or not last)
            if not is_band or low > 13 or (high and high != low + 1):
                raise CorruptDataError("the JPEG has a progressive scan of parameters that have no meaning")
        else:
            first, last, high, low = 0, 63, 0, 0
        scan_components = tuple(numbers[identifier] for identifier in chosen)
        tables = np.zeros((2 * len(chosen), TABLE_SIZE), np.int32)
        for i, choice in enumerate(segment[2:-3:2]):
            if first == 0 and not high:
                tables[2 * i] = self._table(choice >> 4)
            if last > 0:
                tables[2 * i + 1] = self._table(0x10 | (choice & 15))
        return Scan(start, scan_components, first, last, high, low, self._restart_interval, tables)

    def _table(self, kind: int) -> npt.NDArray[np.int32]:
        if kind not in self._definitions:
            raise CorruptDataError(
                f"the JPEG has a scan that uses Huffman table {kind:#x}, which is not defined"
            )
        return build_table(self._definitions[kind])


def _check_frame_kind(marker: int) -> None:
    """Raises UnsupportedImageError for the processes that are not Huffman-coded sequential or progressive."""
    if marker in _SUPPORTED_FRAMES:
        return
    if marker in (0xC3, 0xC7, 0xCB, 0xCF):
        kind = "lossless JPEGs"
    elif marker >= 0xC8:
        kind = "JPEGs with arithmetic coding"
    else:
        kind = "hierarchical JPEGs"
    raise UnsupportedImageError(f"{kind} cannot be repacked; baseline, extended and progressive Huffman can")


def _frame(width_px: int, height_px: int, is_progressive: bool, fields: list[tuple[int, ...]]) -> Frame:
    factors = [(sampling >> 4, sampling & 15) for _, sampling, _ in fields]
    if len({identifier for identifier, _, _ in fields}) != len(fields) or any(q > 3 for _, _, q in fields):
        raise CorruptDataError("the JPEG has a broken frame header")
    if not all(1 <= h <= 4 and 1 <= v <= 4 for h, v in factors):
        raise CorruptDataError("the JPEG has sampling factors beyond 1 to 4")
    most_h, most_v = max(h for h, _ in factors), max(v for _, v in factors)
    mcu_rows, mcu_columns = -(-height_px // (8 * most_v)), -(-width_px // (8 * most_h))
    components = tuple(
        Component(
            identifier=identifier,
            horizontal=h,
            vertical=v,
            quantiser=quantiser,
            rows=-(-height_px * v // (8 * most_v)),
            columns=-(-width_px * h // (8 * most_h)),
            stored_rows=mcu_rows * v,
            stored_columns=mcu_columns * h,
        )
        for (identifier, _, quantiser), (h, v) in zip(fields, factors, strict=True)
    )
    return Frame(width_px, height_px, is_progressive, components, mcu_rows, mcu_columns)


def _exactly(segment: bytes, size: int, what: str) -> bytes:
    if len(segment) != size:
        raise CorruptDataError(f"the JPEG has a broken {what}: {len(segment)} bytes instead of {size}")
    return segment

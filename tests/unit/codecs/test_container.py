"""GanPress's container."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compressor.codecs import CorruptDataError, TooManyPixelsError, decode, get_codec
from services.compressor.codecs.container import Container, read_varint, unpack, varint
from tests.helpers.images import smooth_image

containers = st.builds(
    Container,
    codec=st.integers(0, 15),
    width_px=st.integers(1, 2**32 - 1),
    height_px=st.integers(1, 2**32 - 1),
    channels=st.sampled_from([1, 3, 4]),
    payload=st.binary(max_size=60),
)

FILE = get_codec("dct").encode(smooth_image(20, 17, 4))


@given(containers)
def test_round_trip(container: Container) -> None:
    """What is packed is unpacked."""
    assert unpack(container.pack(), max_pixels=2**64) == container


def test_layout() -> None:
    """The header is the one of the documentation, byte by byte."""
    packed = Container(codec=1, width_px=640, height_px=480, channels=3, payload=b"ab").pack()
    assert packed.hex(" ") == "89 47 91 80 05 e0 03 9d 2a 2b 9b 61 62"


@given(containers, st.data())
def test_any_changed_byte_is_found(container: Container, data: st.DataObject) -> None:
    """A file with one byte changed is corrupt, whichever byte it is."""
    packed = bytearray(container.pack())
    position = data.draw(st.integers(0, len(packed) - 1))
    packed[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptDataError):
        unpack(bytes(packed), max_pixels=2**64)


@given(containers, st.data())
def test_any_cut_is_found(container: Container, data: st.DataObject) -> None:
    """A file without its end, or with something after it, is corrupt."""
    packed = container.pack()
    with pytest.raises(CorruptDataError):
        unpack(packed[: data.draw(st.integers(0, len(packed) - 1))], max_pixels=2**64)
    with pytest.raises(CorruptDataError):
        unpack(packed + data.draw(st.binary(min_size=1, max_size=9)), max_pixels=2**64)


@pytest.mark.parametrize("position", range(len(FILE)))
def test_changed_dct_file(position: int) -> None:
    """A DCT file with one byte changed is never decoded to another image."""
    changed = bytearray(FILE)
    changed[position] ^= 0x40
    with pytest.raises(CorruptDataError):
        decode(bytes(changed))
    with pytest.raises(CorruptDataError):
        decode(FILE[:position])


def test_pixel_limit_comes_from_the_header() -> None:
    """An image of 2^64 pixels is refused without looking at its payload."""
    bomb = Container(codec=1, width_px=2**32 - 1, height_px=2**32 - 1, channels=3, payload=b"\0\0").pack()
    with pytest.raises(TooManyPixelsError, match="4294967295 x 4294967295"):
        decode(bomb)


@pytest.mark.parametrize(("width_px", "height_px"), [(0, 1), (1, 0)])
def test_header_without_meaning(width_px: int, height_px: int) -> None:
    """Sides of 0 are corrupt, even with a good checksum."""
    with pytest.raises(CorruptDataError, match="both sides are at least 1"):
        decode(Container(1, width_px, height_px, 3, b"").pack())


def test_kind_without_meaning() -> None:
    """Other numbers of channels are corrupt, even with a good checksum."""
    fields = b"\x89G\xb1\x01\x01"
    with pytest.raises(CorruptDataError, match=r"pixels of kind 3; .* kinds are 0 \(grey\)"):
        decode(fields + zlib.crc32(fields).to_bytes(4, "little"))


def test_other_codec() -> None:
    """A container of a codec not known here says so."""
    with pytest.raises(CorruptDataError, match="holds codec 9"):
        decode(Container(9, 1, 1, 1, b"").pack())


@given(st.integers(0, 2**32 - 1), st.binary(max_size=3))
def test_varints(number: int, before: bytes) -> None:
    """A number of up to 32 bits comes back from where it was written."""
    data = before + varint(number)
    assert read_varint(data, len(before)) == (number, len(data))


@pytest.mark.parametrize("data", ["", "80", "8000", "ffffffff10", "ffffffffff01"])
def test_varints_that_no_encoder_writes(data: str) -> None:
    """A number has one spelling: cut, padded and too large ones are corrupt."""
    with pytest.raises(CorruptDataError):
        read_varint(bytes.fromhex(data), 0)

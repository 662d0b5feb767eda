"""Files that announce more than they hold: memory is bounded by what is announced, and that by a limit."""

from __future__ import annotations

import io
import lzma
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from services.compressor.codecs import CodecError, decode, get_codec
from services.compressor.codecs.container import Container, varint
from services.compressor.codecs.dct.codec import MAX_SIDE_PX
from services.compressor.codecs.errors import CorruptDataError, TooManyPixelsError, UnsupportedImageError
from services.compressor.codecs.repack import file as repack_file
from tests.helpers.images import image_file, smooth_image
from tests.helpers.jpegs import jpeg, photo

MAX_PIXELS = 1 << 14
BYTES_A_PIXEL = 48
"""What the hungriest decoder takes: planes of coefficients and samples, and the image, for each channel."""
FIXED_BYTES = 64 << 20
"""Tables of models, and whole blocks around images that are one pixel wide."""

SIDES = st.integers(1, 200) | st.integers(1, 2**32 - 1) | st.sampled_from([1, MAX_SIDE_PX, MAX_SIDE_PX + 1])


def peak_bytes(action: Callable[[], object]) -> int:
    """Returns the most bytes that Python and NumPy held at a time during an action, beyond those before."""
    tracemalloc.start()
    try:
        with suppress(CodecError):
            action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def dct_payload() -> bytes:
    """A payload that takes as much as can be: three planes, all sizes, filtered."""
    return get_codec("dct", quality=50).encode(smooth_image(16, 16))[9:]


PAYLOADS = {1: dct_payload(), 2: b"\x03" + bytes(range(16)) + b"\x55" * 20, 3: b"\0" * 20, 4: b"\0" * 60}


@given(st.sampled_from(sorted(PAYLOADS)), SIDES, SIDES, st.sampled_from([1, 3, 4]))
@example(1, 1, MAX_SIDE_PX, 4)
@example(1, MAX_PIXELS, 1, 3)
@example(1, 2**32 - 1, 1, 3)
@settings(max_examples=60)
def test_announced_sizes(codec: int, width_px: int, height_px: int, channels: int) -> None:
    """Whatever size a header announces, decoding takes no more memory than the limit of pixels allows."""
    file = Container(codec, width_px, height_px, channels, PAYLOADS[codec]).pack()
    taken = peak_bytes(lambda: decode(file, max_pixels=MAX_PIXELS))
    assert taken <= FIXED_BYTES + BYTES_A_PIXEL * MAX_PIXELS


@pytest.mark.parametrize("size", [(MAX_SIDE_PX + 1, 1), (1, MAX_SIDE_PX + 1)])
def test_longest_side(size: tuple[int, int]) -> None:
    """Images of a longer side than 65,535 pixels are neither written nor read by the DCT codec."""
    width_px, height_px = size
    with pytest.raises(UnsupportedImageError, match="sides of up to 65535"):
        get_codec("dct").encode(np.zeros((height_px, width_px, 1), np.uint8))
    with pytest.raises(TooManyPixelsError, match="at most 65535"):
        decode(Container(1, width_px, height_px, 1, b"\0" * 20).pack())


@pytest.mark.parametrize(
    "format_name", ["PNG", "JPEG", "WEBP", "AVIF", "JPEG2000", "TIFF", "GIF", "BMP", "TGA"]
)
def test_formats_of_pillow(format_name: str) -> None:
    """Of an image above the limit nothing is decoded, in any format."""
    data = image_file(np.zeros((2048, 2048), np.uint8), format_name)
    with pytest.raises(TooManyPixelsError, match="2048 x 2048"):
        decode(data, max_pixels=MAX_PIXELS)
    assert peak_bytes(lambda: decode(data, max_pixels=MAX_PIXELS)) < 2048 * 2048


def test_text_in_a_png_is_bounded() -> None:
    """A PNG with compressed text of 256 MB is refused without unpacking it."""
    chunk = b"zTXta\0\0" + zlib.compress(bytes(1 << 28), 9)
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "PNG")
    plain = buffer.getvalue()
    data = (
        plain[:33]
        + struct.pack(">I", len(chunk) - 4)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + plain[33:]
    )
    assert peak_bytes(lambda: decode(data, max_pixels=MAX_PIXELS)) < FIXED_BYTES


@pytest.mark.parametrize("is_lzma", [False, True])
def test_packed_header_of_a_jpeg_is_bounded(is_lzma: bool) -> None:
    """A repacked JPEG whose header unpacks to more than it announces, or than is accepted, is refused."""
    zeros = bytes(1 << 24)
    if is_lzma:
        filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20, "lc": 3, "lp": 0, "pb": 0}]
        packed = lzma.compress(zeros, lzma.FORMAT_RAW, filters=filters)
    else:
        packed = zlib.compress(zeros, 9, -15)
    for size, skeleton in ((1000, 1000), (1000, len(zeros)), (repack_file.MAX_JPEG_BYTES + 1, 100)):
        sizes = b"".join(map(varint, (size, skeleton, 0, len(packed))))
        payload = struct.pack("<BI", is_lzma, 0) + sizes + packed
        data = Container(3, 8, 8, 3, payload).pack()
        with pytest.raises(CorruptDataError):
            repack_file.unpack(data)
        assert peak_bytes(lambda data=data: repack_file.unpack(data)) < 4 << 20


def test_repacked_jpeg_of_another_size() -> None:
    """A repacked JPEG whose own header announces more pixels than are accepted is refused by that."""
    data = bytearray(jpeg(photo(16, 16)))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(TooManyPixelsError, match="65535 x 65535"):
        repack_file.pack(bytes(data))

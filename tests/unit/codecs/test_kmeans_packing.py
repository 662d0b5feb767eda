"""Packed palettes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.compressor.codecs import (
    CodecError,
    CorruptDataError,
    Pixels,
    container,
    decode,
    get_codec,
    identify,
)
from services.compressor.codecs.kmeans.packing import pack, unpack
from tests.golden.renew import EXPECTED, GOLDEN
from tests.helpers.images import smooth_image

CODEC = get_codec("kmeans", k=16, pack=True)


@settings(max_examples=60)
@given(data=st.data())
def test_any_indices_come_back(data: st.DataObject) -> None:
    """Any palette of 1 to 256 colours and any indices give back the image."""
    entries = data.draw(st.sampled_from([1, 2, 3, 4, 5, 16, 17, 100, 256]))
    channels = data.draw(st.sampled_from([1, 3, 4]))
    palette = data.draw(arrays(np.uint8, (entries, channels)))
    sides = st.integers(1, 24)
    shape = (data.draw(sides), data.draw(sides))
    indices = data.draw(arrays(np.uint8, shape, elements=st.integers(0, entries - 1)))
    assert np.array_equal(unpack(pack(indices, palette), max_pixels=10_000), palette[indices])


@pytest.mark.parametrize("side_px", [7, 120])
def test_noise_does_not_overflow(side_px: int) -> None:
    """Indices without any pattern take little more than their bits."""
    random = np.random.default_rng(0)
    indices = random.integers(0, 256, (side_px, side_px), np.uint8)
    palette = random.integers(0, 256, (256, 3), np.uint8)
    data = pack(indices, palette)
    assert len(data) < 1.1 * indices.size + 24 + palette.size
    assert np.array_equal(unpack(data, max_pixels=10**6), palette[indices])


def test_smaller_than_png() -> None:
    """Packing gives the same pixels as the PNG in fewer bytes."""
    image = smooth_image(200, 150)
    packed = get_codec("kmeans", pack=True)
    data, png = packed.encode(image), get_codec("kmeans").encode(image)
    assert identify(data) == "kmeans"
    assert (packed.media_type, packed.file_extension) == ("image/x-ganpress-palette", ".gpc")
    assert np.array_equal(decode(data), decode(png))
    assert len(data) < 0.8 * len(png)


def test_flat_graphics_take_next_to_nothing() -> None:
    """A flat image of a megapixel takes less than half a kilobyte."""
    image = np.zeros((700, 700, 3), np.uint8)
    image[100:300, 200:500] = (255, 0, 0)
    data = CODEC.encode(image)
    assert len(data) < 500
    assert np.array_equal(decode(data), image)


def test_every_truncation_is_found() -> None:
    """A file cut anywhere is an error."""
    data = CODEC.encode(smooth_image(12, 9))
    for length in range(len(data)):
        with pytest.raises(CorruptDataError):
            decode(data[:length])


def test_flipped_bytes_are_found() -> None:
    """A changed byte is an error, or the same image comes back."""
    image = smooth_image(12, 9)
    data = CODEC.encode(image)
    expected = decode(data)
    random = np.random.default_rng(0)
    for position, value in zip(
        random.integers(0, len(data), 4000), random.integers(1, 256, 4000), strict=True
    ):
        broken = bytearray(data)
        broken[position] ^= int(value)
        with contextlib.suppress(CodecError):
            assert np.array_equal(decode(bytes(broken), max_pixels=4096), expected)


@settings(max_examples=100)
@given(payload=st.binary(max_size=60), channels=st.sampled_from([1, 3, 4]), width_px=st.integers(1, 40))
def test_hostile_payloads(payload: bytes, channels: int, width_px: int) -> None:
    """A payload of any bytes under a right checksum is an error or some image of the announced size."""
    data = container.Container(2, width_px, 5, channels, payload).pack()
    with contextlib.suppress(CorruptDataError):
        assert unpack(data, max_pixels=10_000).shape == (5, width_px, channels)


def test_entry_beyond_the_palette() -> None:
    """A pixel whose entry the palette lacks is an error that names it."""
    image = np.random.default_rng(0).integers(0, 2, (20, 20, 1), np.uint8) * 9 + 1
    image[0, 0] = 200
    data = CODEC.encode(image)
    payload = container.unpack(data, max_pixels=400).payload
    assert payload[0] == 2
    # With four colours announced all entries are within; with three, two bits can name a fourth.
    broken = container.Container(2, 20, 20, 1, payload[:4] + zlib.compress(image.tobytes())).pack()
    with pytest.raises(CorruptDataError, match="has entry 3 of 3 colours"):
        decode(broken)


def decoded_elsewhere(names: list[str], **environment: str) -> list[str]:
    """Returns the CRC-32 of the files' pixels, decoded in another process."""
    program = (
        "import sys, zlib, pathlib\nfrom services.compressor.codecs import decode\n"
        "for name in sys.argv[1:]: print(zlib.crc32(decode(pathlib.Path(name).read_bytes()).tobytes()))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, *(str(GOLDEN / name) for name in names)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return found.stdout.split()


def test_decoding_without_compilation() -> None:
    """Interpreted code gives the same pixels as compiled code."""
    names = ["kmeans-packed-v1-rgba.gpc", "kmeans-packed-v1-1x1.gpc"]
    assert EXPECTED.exists()
    here = [str(zlib.crc32(decode((GOLDEN / name).read_bytes()).tobytes())) for name in names]
    assert decoded_elsewhere(names, NUMBA_DISABLE_JIT="1") == here


def colors(image: Pixels) -> int:
    """Returns how many colours an image has."""
    return len(np.unique(image.reshape(-1, image.shape[2]), axis=0))


def test_few_colors_are_packed_without_loss() -> None:
    """An image of up to 256 colours is packed without loss, whatever program made it."""
    image = smooth_image(60, 40)
    image = (image // 60 * 60).astype(np.uint8)
    assert 4 < colors(image) <= 256
    assert 4 < colors(image) <= 256
    data = get_codec("kmeans", k=256, pack=True).encode(image)
    assert np.array_equal(decode(data), image)

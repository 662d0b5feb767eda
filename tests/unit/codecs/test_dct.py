"""The DCT codec."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.compressor.codecs import CorruptDataError, Pixels, decode, get_codec, psnr
from services.compressor.codecs.color import rgb_to_ycbcr, ycbcr_to_rgb
from services.compressor.codecs.container import Container, unpack
from services.compressor.codecs.entropy import deflate
from services.compressor.codecs.entropy import pack as pack_coefficients
from tests.helpers.images import smooth_image


def reference_threshold(image: Pixels, threshold: float) -> Pixels:
    """The study's method, channel by channel in floating point: what the codec must come out at."""
    height_px, width_px, channels = image.shape
    padded = np.pad(image, ((0, -height_px % 8), (0, -width_px % 8), (0, 0)), mode="edge")
    planes = []
    for channel in range(channels):
        centred = padded[..., channel].astype(float) - 128
        blocks = centred.reshape(padded.shape[0] // 8, 8, -1, 8).transpose(0, 2, 1, 3)
        coefficients = scipy.fft.dctn(blocks, axes=(2, 3), norm="ortho")
        least = threshold * np.abs(coefficients).max()
        kept = np.where(np.abs(coefficients) < least, 0, np.round(coefficients))
        samples = scipy.fft.idctn(kept, axes=(2, 3), norm="ortho").transpose(0, 2, 1, 3)
        planes.append(samples.reshape(padded.shape[:2]) + 128)
    return np.clip(np.round(np.stack(planes, -1)), 0, 255).astype(np.uint8)[:height_px, :width_px]


@pytest.mark.parametrize("threshold", [0.001, 0.01, 0.03, 0.5])
def test_threshold_is_the_study_s(threshold: float) -> None:
    """The fixed-point codec gives the study's picture, to a grey level here and there."""
    image = smooth_image(70, 43)
    decoded = decode(get_codec("dct", threshold=threshold).encode(image))
    difference = np.abs(decoded.astype(int) - reference_threshold(image, threshold))
    assert difference.max() <= 1
    assert np.mean(difference != 0) < 0.02  # ties, which round to even there


@pytest.mark.parametrize("color_space", ["rgb", "ycbcr"])
def test_quality_orders_size_and_fidelity(color_space: str) -> None:
    """A higher quality makes larger files of a better picture."""
    image = smooth_image(96, 96)
    files = [
        get_codec("dct", quality=q, color_space=color_space).encode(image) for q in (10, 50, 75, 95, 100)
    ]
    assert [len(data) for data in files] == sorted(len(data) for data in files)
    fidelity = [psnr(image, decode(data)) for data in files]
    assert fidelity == sorted(fidelity)
    assert fidelity[-1] > 45


def test_default_color_spaces() -> None:
    """Thresholds work on RGB as in the study, qualities on YCbCr; both can be told otherwise."""
    image = smooth_image(40, 40)
    for default, other in (({"threshold": 0.02}, "ycbcr"), ({"quality": 75}, "rgb")):
        same = "rgb" if other == "ycbcr" else "ycbcr"
        assert get_codec("dct", **default).encode(image) == get_codec(
            "dct", **default, color_space=same
        ).encode(image)
        assert get_codec("dct", **default).encode(image) != get_codec(
            "dct", **default, color_space=other
        ).encode(image)


def test_default_is_quality_75() -> None:
    """Without threshold and quality the quality is 75."""
    image = smooth_image(40, 40)
    assert get_codec("dct").encode(image) == get_codec("dct", quality=75).encode(image)


def test_larger_than_a_slab() -> None:
    """Images transformed in several runs come out as in one."""
    image = smooth_image(8, 8)
    tall = np.tile(image, (600, 10, 1))
    decoded = decode(get_codec("dct", quality=90).encode(tall))
    assert np.array_equal(decoded, np.tile(decoded[:8, :8], (600, 10, 1)))


def test_alpha_is_kept_exactly() -> None:
    """The alpha plane is not transformed."""
    image = smooth_image(33, 21, 4)
    assert np.array_equal(decode(get_codec("dct", quality=5).encode(image))[..., 3], image[..., 3])


def test_grey_has_no_color_space() -> None:
    """A grey image gives one file in either colour space."""
    image = smooth_image(30, 30, 1)[..., np.newaxis]
    rgb, ycbcr = (get_codec("dct", color_space=space).encode(image) for space in ("rgb", "ycbcr"))
    assert rgb == ycbcr


@settings(max_examples=40, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 17), st.integers(1, 17), st.just(3))))
def test_best_quality_of_any_pixels(image: Pixels) -> None:
    """At quality 100 in RGB, no sample of any image is off by more than rounding of its coefficients."""
    decoded = decode(get_codec("dct", quality=100, color_space="rgb").encode(image))
    assert np.abs(decoded.astype(int) - image).max() <= 5


def test_color_conversion_is_that_of_t871() -> None:
    """The fixed-point conversion is the standard's formula, rounded; grey stays grey."""
    rgb = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)
    rgb[0, 0], rgb[0, 1] = (0, 0, 255), (255, 0, 0)
    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    exact = rgb @ matrix.T + [0, 128, 128]
    assert np.abs(rgb_to_ycbcr(rgb) - exact).max() <= 0.51
    grey = np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis], 3, axis=1)
    assert np.array_equal(ycbcr_to_rgb(rgb_to_ycbcr(grey)), grey)
    assert np.abs(ycbcr_to_rgb(rgb_to_ycbcr(rgb)).astype(int) - rgb).max() <= 2


def dct_file(payload: bytes, channels: int = 3) -> bytes:
    """Returns a sound container of 16 x 8 pixels around a payload."""
    return Container(1, 16, 8, channels, payload).pack()


def coefficients(count: int) -> bytes:
    """Returns a DEFLATE stream of zeros."""
    return deflate(bytes(count))


@pytest.mark.parametrize(
    ("payload", "channels", "message"),
    [
        (b"", 3, "too short"),
        (b"\x00", 3, "too short"),
        (b"\x04\x00" + coefficients(384), 3, "mode 4"),
        (b"\x00\x65" + coefficients(384), 3, "quality 101"),
        (b"\x01\x4b" + coefficients(128), 1, "mode 1"),
        (b"\x00\x4b" + coefficients(383), 3, "384 coefficients"),
        (b"\x00\x4b" + coefficients(385), 3, "384 coefficients"),
        (b"\x00\x4b" + coefficients(10_000_000), 3, "wrong length"),
        (b"\x00\x4b" + coefficients(384) + b"x", 3, "wrong length"),
        (b"\x00\x4b" + deflate(b"\xff" * 384), 3, "384 coefficients"),
        (b"\x00\x4b" + b"\xff" * 50, 3, "broken DEFLATE"),
        (b"\x02\x4b" + b"\xff" * 50, 3, "LZMA"),
        (b"\x00\x4b", 4, "too short"),
        (b"\x00\x4b\x0b\x00\x00\x00" + deflate(bytes(9)) + coefficients(384), 4, "DEFLATE|alpha plane"),
    ],
)
def test_payload_without_meaning(payload: bytes, channels: int, message: str) -> None:
    """A container with a good checksum around a wrong payload is corrupt, and takes little memory."""
    with pytest.raises(CorruptDataError, match=message):
        decode(dct_file(payload, channels))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([1, 3, 4]))
def test_any_payload(payload: bytes, channels: int) -> None:
    """Whatever the payload, the outcome is an image or CorruptDataError."""
    with suppress(CorruptDataError):
        assert decode(dct_file(payload, channels)).shape == (8, 16, channels)


def test_coefficients_beyond_any_image() -> None:
    """Coefficients that no encoder writes are clipped, not wrapped."""
    values = np.zeros(128, np.int16)
    values[0] = 32767  # the first block's mean, far above white
    stream, is_lzma = pack_coefficients(values)
    decoded = decode(dct_file(bytes([2 * is_lzma, 1]) + stream, channels=1))
    assert np.all(decoded == 255)


@settings(max_examples=60, deadline=None)
@given(arrays(np.int16, st.integers(1, 300)))
def test_entropy_round_trip(values: np.ndarray) -> None:
    """All 16-bit numbers survive the entropy coder."""
    from services.compressor.codecs.entropy import unpack as unpack_coefficients

    stream, is_lzma = pack_coefficients(values)
    assert np.array_equal(unpack_coefficients(stream, is_lzma, len(values)), values)


def test_small_header() -> None:
    """A flat 64 x 64 image takes few bytes beyond the header."""
    data = get_codec("dct").encode(np.full((64, 64, 3), 77, np.uint8))
    assert unpack(data, max_pixels=64 * 64).channels == 3
    assert len(data) < 60

"""Codec options by name."""

from __future__ import annotations

import pytest
from ganpress.v1.codec_pb2 import CHROMA_SUBSAMPLING_420, COLOR_SPACE_YCBCR, CodecOptions
from hypothesis import given
from hypothesis import strategies as st

from client.codec_options import OptionValueError, build_options, codec_names, option_names, options_given
from client.errors import InputError
from services.compressor.codecs import list_codecs, list_file_codecs


def test_options_are_those_of_the_library() -> None:
    """The API's messages and the codec library know the same codecs with the same options."""
    assert codec_names() == sorted(codec.id for codec in (*list_codecs(), *list_file_codecs()))
    for codec in list_codecs():
        assert option_names(codec.id) == [parameter.name for parameter in codec.parameters()]


def test_text_becomes_typed_values() -> None:
    """Values as typed on a command line become the types of the fields."""
    assert build_options("dct", {"threshold": "0.01", "color_space": "YCbCr"}).dct.threshold == 0.01
    assert build_options("dct", {"color_space": "YCbCr"}).dct.color_space == COLOR_SPACE_YCBCR
    jpeg = build_options("jpeg", {"subsampling": "4:2:0", "progressive": "yes", "optimize": "false"}).jpeg
    assert (jpeg.subsampling, jpeg.progressive, jpeg.optimize) == (CHROMA_SUBSAMPLING_420, True, False)


def test_pillow_is_jpeg() -> None:
    """The study's name for JPEG is understood."""
    assert build_options("pillow", {"quality": 85}) == build_options("jpeg", {"quality": 85})


def test_a_codec_without_options_is_still_chosen() -> None:
    """An empty options message names its codec."""
    assert build_options("tiff", {}).WhichOneof("codec") == "tiff"


@given(st.integers(1, 256), st.integers(0, 2**32 - 1))
def test_given_options_come_back(k: int, seed: int) -> None:
    """What was set, and nothing else, is reported."""
    assert options_given(build_options("kmeans", {"k": k, "seed": str(seed)})) == {"k": k, "seed": seed}
    assert options_given(build_options("jpeg", {"subsampling": "420"})) == {"subsampling": "420"}
    assert options_given(build_options("kmeans", {})) == {}
    assert options_given(CodecOptions()) == {}


def test_unknown_names_list_what_exists() -> None:
    """An unknown codec or option is answered with those that exist."""
    with pytest.raises(InputError, match="no codec 'bmp': the codecs are avif, dct, gif, jpeg"):
        build_options("bmp", {})
    with pytest.raises(
        InputError, match="kmeans has no option 'quality': its options are k, seed, dither, pack"
    ):
        build_options("kmeans", {"quality": 3})
    with pytest.raises(InputError, match="tiff has no option 'quality': its options are resize, compression"):
        build_options("tiff", {"quality": 3})


@pytest.mark.parametrize(
    ("codec", "option", "value"),
    [
        ("kmeans", "k", "many"),
        ("kmeans", "k", "-1"),
        ("kmeans", "k", "1.5"),
        ("kmeans", "k", 2**32),
        ("dct", "threshold", "small"),
        ("dct", "color_space", "unspecified"),
        ("jpeg", "subsampling", "411"),
        ("webp", "lossless", "perhaps"),
    ],
)
def test_values_of_a_wrong_type_are_named(codec: str, option: str, value: str | int) -> None:
    """The message names codec, option and value."""
    with pytest.raises(OptionValueError, match=f"^{codec} option {option} takes .+, not {value!r}$"):
        build_options(codec, {option: value})

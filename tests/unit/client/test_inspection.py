"""What files say about themselves."""

from __future__ import annotations

from typing import Any

import pytest

from client.errors import InputError
from client.inspection import inspect_image
from services.compressor.codecs import get_codec, list_codecs
from tests.helpers.images import image_file, smooth_image

IMAGE = smooth_image(20, 10)


@pytest.mark.parametrize("codec", [codec.id for codec in list_codecs()])
def test_every_codecs_files_are_recognised(codec: str) -> None:
    """Codec, size and rate of whatever a codec wrote."""
    data = get_codec(codec).encode(IMAGE)
    found = inspect_image(data)
    assert (found.codec, found.width_px, found.height_px, found.channels) == (codec, 20, 10, 3)
    assert found.size_bytes == len(data)
    assert found.bits_per_pixel == 8 * len(data) / 200


@pytest.mark.parametrize(
    ("codec", "options", "settings"),
    [
        ("dct", {"quality": 60}, {"color_space": "ycbcr", "quality": 60}),
        ("dct", {"threshold": 0.1}, {"color_space": "rgb", "quantised_by": "threshold"}),
        ("kmeans", {"k": 5}, {"k": 5}),
        ("jpeg", {"subsampling": "422", "progressive": True}, {"subsampling": "422", "progressive": True}),
        ("webp", {"lossless": True}, {"lossless": True}),
        ("webp", {}, {"lossless": False}),
        ("tiff", {}, {"compression": "tiff_lzw"}),
        ("tga", {}, {"compression": "tga_rle"}),
    ],
)
def test_settings_that_a_file_shows(codec: str, options: dict[str, Any], settings: dict[str, Any]) -> None:
    """What a file still tells of how it was made is reported."""
    assert inspect_image(get_codec(codec, **options).encode(IMAGE)).settings == settings


def test_formats_of_no_codec_have_their_own_name() -> None:
    """A BMP is a BMP; it has no settings and no provenance."""
    found = inspect_image(image_file(IMAGE, "BMP"))
    assert (found.codec, found.settings, found.provenance) == ("bmp", {}, {})


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\x89GPC", b"\x89PNG\r\n\x1a\n"])
def test_no_image_is_told(data: bytes) -> None:
    """What is no image is an error with a sentence."""
    with pytest.raises(InputError):
        inspect_image(data)

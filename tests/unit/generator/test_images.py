"""PNG files that say where they come from."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from services.common.version import GANPRESS_VERSION
from services.generator.images import Provenance, encode_png
from tests.helpers.images import smooth_image

PROVENANCE = Provenance("cars", 2, "ab" * 32, "suv", 2**64 - 1, 0.7)


@pytest.mark.parametrize("channels", [1, 3])
def test_png(channels):
    """The file has the very pixels, and the provenance in text chunks that any reader shows."""
    pixels = smooth_image(24, 16, channels).reshape(16, 24, channels)
    with Image.open(io.BytesIO(encode_png(pixels, PROVENANCE))) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)
        assert image.text == {
            "ganpress:model": "cars",
            "ganpress:version": "2",
            "ganpress:digest": "ab" * 32,
            "ganpress:label": "suv",
            "ganpress:seed": "18446744073709551615",
            "ganpress:truncation": "0.7",
            "Software": f"GanPress {GANPRESS_VERSION}",
        }


def test_unusual_labels():
    """An empty label and one beyond Latin-1 are read back as they were."""
    for label in ("", "кабриолет"):
        data = encode_png(smooth_image(4, 4), Provenance("m", 1, "0", label, 0, 1.0))
        with Image.open(io.BytesIO(data)) as image:
            assert image.text["ganpress:label"] == label


def test_same_input_same_bytes():
    """The same pixels and provenance give the same file."""
    pixels = smooth_image(20, 20)
    assert encode_png(pixels, PROVENANCE) == encode_png(pixels.copy(), PROVENANCE)

"""DCT files read by a second reader that knows nothing but docs/codecs/dct.md."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from services.compressor.codecs import decode, get_codec
from tests.golden.renew import EXPECTED, GOLDEN
from tests.helpers.dct_reader import read
from tests.helpers.images import smooth_image

GOLDEN_FILES = {
    name: entry for name, entry in json.loads(EXPECTED.read_text(encoding="utf-8")).items() if "dct" in name
}


@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_document_describes_golden_files(name: str) -> None:
    """The document alone leads to the very pixels, without compiled code."""
    pixels = read((GOLDEN / name).read_bytes())
    assert list(pixels.shape) == GOLDEN_FILES[name]["shape"]
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == GOLDEN_FILES[name]["sha256"]


@pytest.mark.parametrize("quality", [3, 50, 98])
def test_document_describes_what_is_written(quality: int) -> None:
    """What the encoder writes today is what the document says, with every kind of block and large numbers."""
    image = smooth_image(75, 66)
    image[:30, :30] = np.random.default_rng(quality).integers(0, 256, (30, 30, 3))
    data = get_codec("dct", quality=quality).encode(image)
    assert np.array_equal(read(data), decode(data))

"""Files of our own formats, kept for ever."""

from __future__ import annotations

import hashlib
import json

import pytest

from services.compressor.codecs import decode, identify
from tests.golden.renew import EXPECTED, FILES, GOLDEN

GOLDEN_FILES = json.loads(EXPECTED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_old_files_open(name: str) -> None:
    """Each file ever written decodes to the very same pixels, on every machine."""
    data = (GOLDEN / name).read_bytes()
    pixels = decode(data)
    assert identify(data) == name.partition("-")[0]
    assert list(pixels.shape) == GOLDEN_FILES[name]["shape"]
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == GOLDEN_FILES[name]["sha256"]


def test_every_golden_file_is_expected() -> None:
    """No golden file is without its expected pixels."""
    files = {path.name for path in GOLDEN.iterdir() if path.suffix in {".gpc", ".png"}}
    assert files == set(GOLDEN_FILES) == set(FILES)

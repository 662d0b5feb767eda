"""SSIMULACRA2."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.compressor.codecs import MissingPackageError, decode, get_codec, ssimulacra2
from tests.helpers.images import smooth_image

pytest.importorskip("ssimulacra2")
IMAGE = smooth_image(160, 128)


def test_score_is_the_packages(tmp_path: Path) -> None:
    """The score is what the package gives for the same two files."""
    from ssimulacra2 import compute_ssimulacra2

    other = decode(get_codec("jpeg", quality=40).encode(IMAGE))
    for name, pixels in (("a.png", IMAGE), ("b.png", other)):
        Image.fromarray(pixels).save(tmp_path / name)
    score = compute_ssimulacra2(tmp_path / "a.png", tmp_path / "b.png")
    assert ssimulacra2(IMAGE, other) == pytest.approx(score, abs=1e-4)


def test_score_falls_with_quality() -> None:
    """The score is 100 without a difference and falls with the quality of a JPEG."""
    scores = [
        ssimulacra2(IMAGE, decode(get_codec("jpeg", quality=q).encode(IMAGE))) or 0 for q in (95, 60, 10)
    ]
    assert ssimulacra2(IMAGE, IMAGE) == pytest.approx(100)
    assert 100 > scores[0] > scores[1] > scores[2]


def test_small_images_have_no_score() -> None:
    """Under 128 pixels a side the score means nothing, and there is none."""
    assert ssimulacra2(IMAGE[:127], IMAGE[:127]) is None


def test_grey_and_transparent_images() -> None:
    """Grey is judged as colour; of a transparent image what shows counts, hidden colours do not."""
    grey = IMAGE[..., :1]
    assert ssimulacra2(grey, np.repeat(grey, 3, axis=2)) == pytest.approx(100)
    hidden = np.concatenate([IMAGE, np.full_like(grey, 255)], axis=2)
    hidden[:64, :, 3] = 0
    other = hidden.copy()
    other[:64, :, :3] = 7
    assert ssimulacra2(hidden, other) == pytest.approx(100)
    other[:64, :, 3] = 255
    assert (ssimulacra2(hidden, other) or 0) < 60


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the message says what to install."""
    monkeypatch.setitem(sys.modules, "ssimulacra2", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'ganpress\[metrics\]'"):
        ssimulacra2(IMAGE, IMAGE)

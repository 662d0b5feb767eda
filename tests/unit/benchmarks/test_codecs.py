"""The comparison of codecs, run as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.codecs.__main__ import main
from benchmarks.codecs.contenders import ANCHOR, contenders
from benchmarks.codecs.images import read_images, small_images
from services.compressor.codecs import decode
from tests.helpers.images import png_file

pytest.importorskip("bjontegaard")
pytest.importorskip("ssimulacra2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two images, a grey one among them, and a text."""
    (tmp_path / "a.png").write_bytes(png_file(150, 140))
    (tmp_path / "b.png").write_bytes(png_file(140, 130, channels=1))
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_images(folder: Path) -> None:
    """Images come in the order of their names, as RGB, and small ones are squares."""
    images = read_images(folder, 9)
    assert [image.shape for image in images] == [(140, 150, 3), (130, 140, 3)]
    assert [image.shape for image in small_images(images, 32)] == [(32, 32, 3)] * 2
    assert len(read_images(folder, 1)) == 1


def test_contenders() -> None:
    """The anchor comes first, the DCT codec takes part with its choices, and names differ."""
    names = [contender.name for contender in contenders()]
    assert names[0] == ANCHOR
    assert {"webp m6", "avif s6", "dct", "dct fast", "kmeans"} <= set(names)
    assert len(set(names)) == len(names)


def test_peers_give_the_image_back(folder: Path) -> None:
    """What each contender writes at its best is close to the image."""
    (image,) = read_images(folder, 1)
    for contender in contenders():
        if not contender.is_ours:
            setting = contender.settings[-1]
            assert setting.decode(setting.encode(image)).shape == decode(png_file(150, 140)).shape


def test_tables_and_curves(folder: Path, tmp_path: Path) -> None:
    """The command prints speeds, BD-rates, every setting and small images, and draws the curves."""
    plot = tmp_path / "curves.svg"
    found = CliRunner().invoke(
        main, [str(folder), "--images", "1", "--only", "kmeans", "--settings", "--plot", str(plot)]
    )
    assert found.exit_code == 0, found.output
    for text in ("| jpeg 4:2:0 |", "| kmeans |", "against jpeg 4:2:0", "SSIMULACRA2", "64x64", "32 dB"):
        assert text in found.stdout
    assert plot.read_text(encoding="utf-8").startswith("<?xml")


def test_no_images(tmp_path: Path) -> None:
    """A folder without images is a mistake, told in one sentence."""
    found = CliRunner().invoke(main, [str(tmp_path)])
    assert found.exit_code == 1
    assert "there are no images in" in found.output

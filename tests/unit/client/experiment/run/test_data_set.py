"""Real images by their names."""

from __future__ import annotations

import tarfile
from pathlib import Path

import fsspec
import pytest

from client.errors import InputError
from client.experiment.run.data_set import open_data_set
from tests.helpers.experiments import write_images

NAMES = ["small/001.png", "small/003.png", "tall/000.jpg", "tall/002.jpg"]


def test_a_folder_a_tar_and_a_url_are_the_same(tmp_path: Path) -> None:
    """The same images have the same names and bytes wherever they lie; other files do not count."""
    images = write_images(tmp_path / "images")
    with tarfile.open(tmp_path / "images.tar", "w") as tar:
        tar.add(images, ".")
    memory = fsspec.filesystem("memory")
    memory.put(str(images), "/test_data_set", recursive=True)
    for location in (str(images), str(tmp_path / "images.tar"), "memory://test_data_set"):
        data_set = open_data_set(location)
        assert data_set.names == NAMES
        assert data_set.select("tall/*") == NAMES[2:]
        for name in NAMES:
            assert data_set.read(name) == (images / name).read_bytes()


def test_a_file_is_one_image(tmp_path: Path) -> None:
    """A file stands for itself."""
    images = write_images(tmp_path / "images")
    data_set = open_data_set(str(images / NAMES[0]))
    assert data_set.names == ["001.png"]
    assert data_set.read("001.png") == (images / NAMES[0]).read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent", None, "there is no file or folder"),
        ("x.tar.gz", b"x", "a packed tar cannot be read in any order"),
        ("x.tar", b"x" * 1000, "cannot read"),
    ],
)
def test_what_cannot_be_read_is_told(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    """Nothing there, a packed or broken tar: a sentence with its name."""
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_data_set(str(tmp_path / name))
    with pytest.raises(InputError, match="cannot read nosuch://x"):
        open_data_set("nosuch://x")

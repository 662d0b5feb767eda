"""Prepared sets on disk, whole and damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainer.data.errors import SetError
from trainer.data.prepare import prepare
from trainer.data.sets import open_set


@pytest.fixture
def prepared(photos: Path, tmp_path: Path) -> Path:
    """The folder of a set of 20 images."""
    return prepare(photos, tmp_path / "set", size_px=32).folder


def test_opened_set_is_mapped_and_cannot_be_changed(prepared: Path) -> None:
    """Images are mapped, not read; writing to them does not reach the file."""
    data = open_set(prepared, verify=True).split()
    assert isinstance(data.images, np.memmap)
    before = int(data.images[0, 0, 0, 0])
    data.images[0, 0, 0, 0] = 255 - before
    assert open_set(prepared, verify=True).split().images[0, 0, 0, 0] == before
    with pytest.raises(SetError, match=r"has no images in the split 'test'; it has: train"):
        open_set(prepared).split("test")


def edit(change: Callable[[dict], None]) -> Callable[[Path], object]:
    """Returns a damage that changes set.json."""

    def damage(folder: Path) -> None:
        record = json.loads((folder / "set.json").read_text())
        change(record)
        (folder / "set.json").write_text(json.dumps(record))

    return damage


def cut(name: str, size: int) -> Callable[[Path], object]:
    """Returns a damage that cuts a file off."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "set.json").unlink(), "holds no prepared set: there is no set.json"),
        (cut("set.json", 50), r"set\.json is damaged"),
        (edit(lambda record: record.pop("size_px")), r"set\.json is damaged: size_px: Field required"),
        (edit(lambda record: record.update(version=2)), "of format version 2; this program reads 1"),
        (
            edit(lambda record: record.update(size_px=64)),
            r"holds uint8 \[20, 3, 32, 32\] where uint8 \[20, 3, 64",
        ),
        (edit(lambda record: record.update(labels=["coupe"])), "holds labels out of range"),
        (lambda folder: (folder / "train.images.npy").unlink(), r"train\.images\.npy is missing"),
        (cut("train.images.npy", 30_000), r"train\.images\.npy is damaged"),
        (cut("train.images.npy", 3), r"train\.images\.npy is damaged"),
        (cut("train.images.npy", 0), r"train\.images\.npy is damaged"),
        (
            lambda folder: (folder / "train.images.npy").open("ab").write(b"x"),
            r"train\.images\.npy is damaged",
        ),
        (cut("train.labels.npy", 200), r"train\.labels\.npy is damaged"),
        (
            lambda folder: np.save(folder / "train.labels.npy", np.zeros(20, np.float32)),
            r"holds float32 \[20\] where int64 \[20\] is expected",
        ),
    ],
)
def test_damage_is_found_on_opening(prepared: Path, damage: Callable[[Path], object], message: str) -> None:
    """A set that lacks something, or whose files have other sizes than they should, is refused."""
    damage(prepared)
    with pytest.raises(SetError, match=message):
        open_set(prepared)


def test_changed_pixels_are_found_by_verifying(prepared: Path) -> None:
    """A byte that changed without a change of size is found by the digest."""
    file = prepared / "train.images.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    open_set(prepared)
    with pytest.raises(SetError, match="the digest of its split 'train' is wrong; prepare it again"):
        open_set(prepared, verify=True)

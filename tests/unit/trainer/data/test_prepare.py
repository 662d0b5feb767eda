"""Whole preparations."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.images import image_file, jpeg_file
from trainer.config import ConfigError
from trainer.data.errors import SetError, SourceError
from trainer.data.options import DataOptions
from trainer.data.prepare import prepare
from trainer.data.sets import PreparedSet, open_set


def write(root: Path, files: dict[str, int | bytes]) -> Path:
    """Writes photos, given by their seed, and other files."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else jpeg_file(seed=content))
    return root


def left_out(prepared: PreparedSet) -> dict[str, tuple[str, str]]:
    """Returns reason and detail of each file left out."""
    with (prepared.folder / "left_out.csv").open(newline="") as file:
        return {row["file"]: (row["reason"], row["detail"]) for row in csv.DictReader(file)}


def test_folder_with_junk(photos: Path, tmp_path: Path) -> None:
    """Images get their folders' labels; every other file is listed with its reason and counted."""
    prepared = prepare(photos, tmp_path / "set", size_px=32)
    data = prepared.split()
    assert data.counts == {"coupe": 12, "van": 8}
    assert (data.images.shape, data.images.dtype) == ((20, 3, 32, 32), np.uint8)
    assert data.name == "photos"
    assert prepared.info.files == 25
    assert prepared.info.left_out == data.left_out == {
        "not an image": 2, "broken image": 1, "junk file of an operating system": 1, "smaller than 24 px": 1,
    }  # fmt: skip
    assert left_out(prepared)["van/93.jpg"] == ("smaller than 24 px", "60x8")
    assert prepared.files()[0] == "Coupe/00.jpg"


def test_doubles_stay_in_the_test_split(tmp_path: Path) -> None:
    """Of doubles one stays, in the test split where there is a choice; other labels are told."""
    photo = Image.fromarray(np.random.default_rng(7).integers(0, 256, (6, 8, 3), np.uint8))
    pixels = np.asarray(photo.resize((64, 48), Image.Resampling.BICUBIC))
    root = write(
        tmp_path / "raw",
        {
            "train/a/1.jpg": 1, "train/a/2.jpg": 1, "train/b/1.jpg": 2, "test/a/9.jpg": 2,
            "val/a/7.jpg": image_file(pixels), "train/a/3.jpg": image_file(pixels, "JPEG", quality=60),
            "train/a/4.jpg": 4, "train/b/5.jpg": 5, "test/b/6.jpg": 6,
        },
    )  # fmt: skip
    prepared = prepare(root, tmp_path / "set", size_px=32)
    assert {name: prepared.files(name) for name in prepared.info.splits} == {
        "train": ["train/a/1.jpg", "train/a/4.jpg", "train/b/5.jpg"],
        "val": ["val/a/7.jpg"],
        "test": ["test/a/9.jpg", "test/b/6.jpg"],
    }
    assert left_out(prepared) == {
        "train/a/2.jpg": ("double", "of train/a/1.jpg"),
        "train/a/3.jpg": ("near double", "of val/a/7.jpg"),
        "train/b/1.jpg": ("double", "of test/a/9.jpg, which is labelled 'a', not 'b'"),
    }
    kept = prepare(root, tmp_path / "kept", size_px=32, options=DataOptions(keep_near_doubles=True))
    assert "train/a/3.jpg" in kept.files()


def test_test_share(tmp_path: Path) -> None:
    """The drawn split depends on the files alone: not on names, size or other files."""
    root = write(tmp_path / "raw", {f"a/{i}.jpg": i for i in range(60)})
    options = DataOptions(test_share=0.25)
    small = prepare(root, tmp_path / "small", size_px=32, options=options)
    large = prepare(root, tmp_path / "large", size_px=64, options=options)
    assert small.files("test") == large.files("test")
    assert 6 <= len(small.files("test")) <= 25
    half = write(tmp_path / "half", {f"b/x{i}.jpg": i for i in range(30)})
    fewer = prepare(half, tmp_path / "fewer", size_px=32, options=options)
    first = {f"b/x{Path(name).name}" for name in small.files("test")}
    assert set(fewer.files("test")) == {name for name in first if int(name[3:-4]) < 30}
    write(root, {"test/a/99.jpg": 99})
    with pytest.raises(
        SourceError, match=r"has splits of its own \(test/a/99\.jpg\): leave out --test-share"
    ):
        prepare(root, tmp_path / "x", size_px=32, options=options)


def test_labels_and_the_unlabelled(tmp_path: Path) -> None:
    """Unlabelled images have -1; a label that only the test split has is left out; no class at all is one."""
    root = write(
        tmp_path / "raw",
        {
            "train/a/1.jpg": 1,
            "train/b/2.jpg": 2,
            "more/3.jpg": 3,
            "4.jpg": 4,
            "test/c/5.jpg": 5,
            "test/6.jpg": 6,
        },
    )
    prepared = prepare(root, tmp_path / "set", size_px=32, options=DataOptions(unlabelled=("more/*",)))
    data = prepared.split()
    assert (data.label_names, data.counts, data.unlabelled) == (("a", "b"), {"a": 1, "b": 1}, 2)
    assert dict(zip(prepared.files(), data.labels.tolist(), strict=True)) == {
        "4.jpg": -1, "more/3.jpg": -1, "train/a/1.jpg": 0, "train/b/2.jpg": 1,
    }  # fmt: skip
    assert prepared.split("test").labels.tolist() == [-1]
    assert left_out(prepared) == {"test/c/5.jpg": ("label not in train", "c")}
    flat = prepare(write(tmp_path / "flat", {"1.jpg": 1, "2.jpg": 2}), tmp_path / "flatset", size_px=32)
    assert flat.split().counts == {"all": 2}


def test_the_same_data_gives_the_same_files(photos: Path, tmp_path: Path) -> None:
    """Two preparations of the same data are equal to the byte, whatever the number of workers."""
    sets = [prepare(photos, tmp_path / f"set{n}", size_px=32, workers=n).folder for n in (1, 3)]
    for path in sets[0].iterdir():
        assert path.read_bytes() == (sets[1] / path.name).read_bytes(), path.name


def test_what_cannot_be_prepared_leaves_nothing(photos: Path, tmp_path: Path) -> None:
    """No image, wrong sizes, unknown labels, a used folder: each is one sentence, and no folder is left."""
    empty = write(tmp_path / "empty", {"a/x.jpg": b"text"})
    used = write(tmp_path / "used", {"x": b""})
    label_map = tmp_path / "map.json"
    label_map.write_text('{"van": "van"}')
    out = tmp_path / "out/set"
    for kind, message, location, folder, size_px, options in (
        (SourceError, r"no usable image was found in .*empty \(not an image: 1\)", empty, out, 32, {}),
        (SourceError, r"no usable image was found in .* \(no files\)", photos, out, 32, {"include": ("x",)}),
        (SourceError, r"has no label for 'Coupe' \(12 images\)", photos, out, 32, {"label_map": label_map}),
        (ConfigError, "size_px is 48; it must be 32, 64 or 128", photos, out, 48, {}),
        (SetError, "used exists and is not empty", photos, used, 32, {}),
    ):
        with pytest.raises(kind, match=message):
            prepare(location, folder, size_px=size_px, options=DataOptions(**options))  # type: ignore[arg-type]
        assert list((tmp_path / "out").glob("*")) == []
    prepare(photos, out, size_px=32)
    with pytest.raises(SetError, match="already holds a prepared set"):
        prepare(photos, out, size_px=32)


def test_two_images_are_a_set(tmp_path: Path) -> None:
    """Even two images can be prepared; whether that is enough is for training to say."""
    root = write(tmp_path / "raw", {"a/1.jpg": 1, "a/2.jpg": 2})
    assert prepare(root, tmp_path / "set", size_px=128, channels=1).split().images.shape == (2, 1, 128, 128)


def _prepare_for_ever(root: Path, folder: Path) -> None:
    prepare(root, folder, size_px=32, progress=lambda files: time.sleep(60 if files == 10 else 0))


def test_a_killed_preparation_leaves_no_set(photos: Path, tmp_path: Path) -> None:
    """What a killed process leaves is no set, and does not stand in the way of the next one."""
    folder = tmp_path / "sets/x"
    process = multiprocessing.get_context("spawn").Process(target=_prepare_for_ever, args=(photos, folder))
    process.start()
    while not list(folder.parent.glob(".x.partial-*/scratch")):
        time.sleep(0.05)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not folder.exists()
    assert len(prepare(photos, folder, size_px=32).split().images) == 20


@pytest.mark.data
def test_real_cars(shared_data: Path, tmp_path: Path) -> None:
    """The curated cars keep their body types and splits; nothing but the list of labels is left out."""
    options = DataOptions(include=("test/*", "*.csv"), drop_label=("other",))
    prepared = prepare(shared_data / "cars.tar", tmp_path / "set", size_px=32, options=options)
    counts = open_set(prepared.folder, verify=True).split("test").counts
    assert (counts["sedan"], counts["minivan"], sum(counts.values())) == (230, 30, 910)
    assert prepared.info.left_out == {"label dropped": 70, "no image by its name": 1}

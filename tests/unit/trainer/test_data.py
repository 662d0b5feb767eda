"""Sources and preparation."""

import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from tests.helpers.images import image_file, jpeg_file
from trainer.data.prepare import prepare
from trainer.data.sampler import Sampler
from trainer.data.sources import RawImage, Selection, SourceError, read_source


def test_folder_is_read_and_junk_is_counted(photos: Path) -> None:
    """Each image gets its folder's label; each file that is no usable image is counted under its reason."""
    data = prepare(read_source(photos, Selection()), 32, 3)
    assert data.counts == {"coupe": 12, "van": 8}
    assert data.images.shape == (20, 3, 32, 32)
    assert data.images.dtype == np.uint8
    assert data.skipped == {
        "junk file of an operating system": 1,
        "not an image": 2,
        "broken image": 1,
        "smaller than 24 px": 1,
    }


def test_tar_gives_the_same_as_its_folder(photos: Path, tmp_path: Path) -> None:
    """A tar file of a folder trains on the very same arrays, in whatever order it was packed."""
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        for path in sorted(photos.rglob("*.jpg"), reverse=True):
            tar.add(path, path.relative_to(photos).as_posix())
    from_tar = prepare(read_source(tmp_path / "photos.tar", Selection()), 32, 3)
    from_folder = prepare(read_source(photos, Selection()), 32, 3)
    assert from_tar.sha256() == from_folder.sha256()


def test_selection(photos: Path) -> None:
    """Patterns choose files, and one label can stand for all."""
    source = read_source(photos, Selection(single_label="car", include=("van/*",), exclude=("*/0[0-3].jpg",)))
    assert prepare(source, 32, 1).counts == {"car": 4}


def test_kaggle_dogs_layout(tmp_path: Path) -> None:
    """The Kaggle cat-and-dog set's dogs are read at any depth, its _DS_Store file is skipped."""
    for split, n in (("training_set/training_set", 3), ("test_set/test_set", 2)):
        folder = tmp_path / split / "dogs"
        folder.mkdir(parents=True)
        (folder / "_DS_Store").write_bytes(b"\0\0\0\1Bud1")
        for i in range(n):
            (folder / f"dog.{i}.jpg").write_bytes(jpeg_file(seed=i))
    data = prepare(read_source(tmp_path, Selection(include=("training_set/*",))), 32, 3)
    assert data.counts == {"dogs": 3}
    assert sum(data.skipped.values()) == 1


def stanford_cars(root: Path, devkit: Path | None = None) -> None:
    """Writes three photos in Stanford Cars' published layout."""
    (root / "cars_train").mkdir(parents=True)
    (root / "devkit").mkdir()
    names = np.array([["Acura TL Sedan 2012", "Ford Ranger SuperCab 2011"]], dtype=object)
    savemat(root / "devkit/cars_meta.mat", {"class_names": names})
    fields = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")
    records = np.array(
        [(40, 30, 79, 59, 1, "00001.jpg"), (40, 30, 79, 59, 2, "00002.jpg"), (1, 1, 99, 9, 1, "gone.jpg")],
        dtype=[(field, object) for field in fields],
    )
    savemat(root / "devkit/cars_train_annos.mat", {"annotations": records[None, :]})
    pixels = np.zeros((100, 120, 3), np.uint8)
    pixels[14:76, 24:96] = 200
    for i in (1, 2):
        (root / f"cars_train/0000{i}.jpg").write_bytes(image_file(pixels, "PNG"))


def test_stanford_cars_as_published(tmp_path: Path) -> None:
    """Body types come from the class names, photos are cut to their box and 16 px around it."""
    stanford_cars(tmp_path)
    data = prepare(read_source(tmp_path, Selection()), 32, 3)
    assert data.counts == {"pickup": 1, "sedan": 1}
    assert data.images.min() == 200
    uncut = prepare(read_source(tmp_path, Selection(), crop=False), 32, 3)
    assert uncut.images.min() == 0


@pytest.mark.data
def test_real_devkit(shared_data: Path, tmp_path: Path) -> None:
    """The published .mat files are understood: the first training photo is an Audi coupe's."""
    (tmp_path / "devkit").symlink_to(shared_data / "stanford-cars-devkit")
    (tmp_path / "cars_train").mkdir()
    (tmp_path / "cars_train/00001.jpg").write_bytes(jpeg_file(600, 400))
    (tmp_path / "cars_train/00002.jpg").write_bytes(jpeg_file(900, 600))
    found = list(read_source(tmp_path, Selection()))
    by_hand = (shared_data / "stanford-cars-devkit/anno_train.csv").read_text().splitlines()
    row = next(line.split(",") for line in by_hand if line.startswith("00001.jpg"))
    x1, y1, x2, y2 = map(int, row[1:5])
    assert found[0].box_px == (x1 - 16, y1 - 16, x2 + 16, y2 + 16)
    names = (shared_data / "stanford-cars-devkit/class_names.csv").read_text().splitlines()
    assert found[0].label == names[int(row[5])].split(",")[2]


@pytest.mark.data
def test_real_cars_tar(shared_data: Path) -> None:
    """The curated cars are read with their body types from the tar's folders."""
    source = read_source(shared_data / "cars.tar", Selection(include=("test/*",)))
    data = prepare(source, 32, 3, drop_labels=["other"])
    assert data.counts["sedan"] == 230
    assert data.counts["minivan"] == 30
    assert sum(data.counts.values()) == 980 - 70
    assert not data.skipped.keys() - {"label 'other' was dropped"}


def test_no_image_is_an_error_that_says_why(tmp_path: Path) -> None:
    """A folder without a usable image names what was found instead; a missing path is named."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.jpg").write_bytes(b"text")
    with pytest.raises(SourceError, match="not an image: 1"):
        prepare(read_source(tmp_path, Selection()), 32, 3)
    with pytest.raises(SourceError, match="does not exist"):
        read_source(tmp_path / "nowhere", Selection())
    (tmp_path / "file.zip").write_bytes(b"PK")
    with pytest.raises(SourceError, match="not a tar file"):
        read_source(tmp_path / "file.zip", Selection())


@pytest.mark.parametrize("side_px", [8_000, 60_000])
def test_a_bomb_is_refused_before_it_is_decoded(side_px: int) -> None:
    """An image of more pixels than the limit is left out by its header; it has no pixels to decode."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    bomb += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(SourceError, match="more than 50000000 pixels: 1"):
        prepare([RawImage("bomb.png", bomb, "x")], 32, 3)


def grey_levels(n_by_label: dict[str, int]) -> list[RawImage]:
    """Returns images that differ in their grey level, so that a batch tells which it holds."""
    names = [label for label, n in n_by_label.items() for _ in range(n)]
    return [
        RawImage(f"{i}.png", image_file(np.full((32, 32), i * 3, np.uint8)), label)
        for i, label in enumerate(names)
    ]


def test_an_epoch_shows_each_image_once() -> None:
    """Without balancing, an epoch is a permutation."""
    data = prepare(grey_levels({"a": 12, "b": 4}), 32, 1)
    sampler = Sampler(data, 4, balance=0, flip=True, seed=1)
    seen = [round((float(x) + 1) * 127.5) for _ in range(4) for x in sampler.next()[0].mean((1, 2, 3))]
    assert sorted(seen) == [i * 3 for i in range(16)]


def test_balancing_draws_rare_labels_more_often() -> None:
    """With balance 1 every label is drawn about equally often."""
    data = prepare(grey_levels({"a": 60, "b": 4}), 32, 1)
    sampler = Sampler(data, 64, balance=1, flip=False, seed=1)
    share = np.mean([(sampler.next()[1] == 1).float().mean().item() for _ in range(20)])
    assert 0.4 < share < 0.6


def test_sampler_continues_where_its_state_was_taken() -> None:
    """Restoring a state gives the batches that came after it."""
    data = prepare(grey_levels({"a": 10}), 32, 1)
    sampler = Sampler(data, 4, balance=0.5, flip=True, seed=1)
    sampler.next()
    state = sampler.state()
    expected = [sampler.next()[0] for _ in range(5)]
    other = Sampler(data, 4, balance=0.5, flip=True, seed=2)
    other.restore(state)
    assert all((a == b.next()[0]).all() for a, b in zip(expected, [other] * 5, strict=True))


def test_colour_and_orientation_are_decoded(tmp_path: Path) -> None:
    """Palette, alpha and EXIF-turned files become upright RGB."""
    tmp_path.joinpath("x").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20] = (255, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "x/turned.jpg", exif=exif, quality=95)
    Image.fromarray(pixels).quantize(4).save(tmp_path / "x/palette.png")
    data = prepare(read_source(tmp_path, Selection()), 32, 3)
    palette, turned = data.images
    assert palette[0, :12].min() > 240
    assert turned[0, :, -12:].min() > 230

"""Stanford Cars as published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from tests.helpers.images import image_file, jpeg_file
from trainer.data.errors import SourceError
from trainer.data.options import DataOptions
from trainer.data.prepare import prepare
from trainer.data.raw import RawImage
from trainer.data.sources import read_source

NAMES = ["Acura TL Sedan 2012", "Ford Ranger SuperCab 2011"]
BOX = {"bbox_x1": 40, "bbox_y1": 30, "bbox_x2": 79, "bbox_y2": 59}


def save_annotations(path: Path, records: list[dict[str, object]]) -> None:
    """Writes a .mat file as Stanford's: a 1xN struct array."""
    table = np.array(
        [tuple(record.values()) for record in records], dtype=[(name, object) for name in records[0]]
    )
    savemat(path, {"annotations": table[None, :], "class_names": np.array([NAMES], dtype=object)})


def photo(i: int) -> bytes:
    """Returns a photo of 120x100 px that is bright, with some structure, inside its box and the margin."""
    pixels = np.zeros((100, 120, 3), np.uint8)
    pixels[14:76, 24:96] = 200
    pixels[14 + 8 * i : 40, 24:60] = 240
    return image_file(pixels, "PNG")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Two training photos and one test photo; annotations of one more that is not there."""
    root = tmp_path / "stanford"
    for folder in ("devkit", "cars_train/cars_train", "cars_test"):
        (root / folder).mkdir(parents=True)
    savemat(root / "devkit/cars_meta.mat", {"class_names": np.array([NAMES], dtype=object)})
    records = [BOX | {"class": 1 + i % 2, "fname": f"0000{i}.jpg"} for i in (1, 2, 9)]
    save_annotations(root / "devkit/cars_train_annos.mat", records)
    save_annotations(root / "devkit/cars_test_annos.mat", [BOX | {"fname": "00001.jpg"}])
    for i in (1, 2):
        (root / f"cars_train/cars_train/0000{i}.jpg").write_bytes(photo(i))
    (root / "cars_test/00001.jpg").write_bytes(photo(0))
    return root


def test_body_types_boxes_and_splits(published: Path, tmp_path: Path) -> None:
    """Body types come from class names, photos are cut to box and margin, a missing photo is counted."""
    prepared = prepare(published, tmp_path / "set", size_px=32)
    assert prepared.split().counts == {"pickup": 1, "sedan": 1}
    assert prepared.split().images.min() > 180
    assert prepared.info.left_out == {"photo missing": 1}
    assert prepared.info.source_kind == "stanford-cars"
    uncut = DataOptions(crop=False, keep_near_doubles=True)
    whole = prepare(published, tmp_path / "whole", size_px=32, options=uncut)
    assert whole.split().images.min() < 20


def test_test_photos_are_unlabelled_without_their_labels(published: Path, tmp_path: Path) -> None:
    """Published test annotations have boxes only; the file with labels adds the classes."""
    prepared = prepare(published, tmp_path / "a", size_px=32)
    assert prepared.split("test").labels.tolist() == [-1]
    labelled = published / "cars_test_annos_withlabels.mat"
    save_annotations(labelled, [BOX | {"class": 2, "fname": "00001.jpg"}])
    prepared = prepare(published, tmp_path / "b", size_px=32)
    assert prepared.split("test").counts == {"pickup": 1, "sedan": 0}


def test_layout_of_one_folder(tmp_path: Path) -> None:
    """The other published layout, car_ims/ with cars_annos.mat, gives classes and splits too."""
    root = tmp_path / "cars"
    (root / "car_ims").mkdir(parents=True)
    records = [
        {"relative_im_path": f"car_ims/00000{i}.jpg"} | BOX | {"class": i, "test": i - 1} for i in (1, 2)
    ]
    save_annotations(root / "cars_annos.mat", records)
    for i in (1, 2):
        (root / f"car_ims/00000{i}.jpg").write_bytes(photo(i))
    found = {image.name: image for image in read_source(root, DataOptions()).images}
    first = found["car_ims/000001.jpg"]
    assert first == RawImage("car_ims/000001.jpg", photo(1), NAMES[0], (24, 14, 95, 75), "train")
    assert found["car_ims/000002.jpg"].split == "test"


def test_wrong_annotations_are_named(published: Path) -> None:
    """Damaged annotations, an unknown class and a devkit without photos are each one sentence."""

    def read() -> None:
        list(read_source(published, DataOptions()).images)

    annotations = published / "devkit/cars_train_annos.mat"
    save_annotations(annotations, [BOX | {"class": 3, "fname": "00001.jpg"}])
    with pytest.raises(SourceError, match=r"gives cars_train/00001\.jpg the class 3; there are 1 to 2"):
        read()
    save_annotations(annotations, [{"fname": "00001.jpg", "class": 1}])
    with pytest.raises(SourceError, match="its records have no bbox_x1"):
        read()
    annotations.write_bytes(b"no MATLAB")
    with pytest.raises(SourceError, match=r"cars_train_annos\.mat is not one of Stanford's"):
        read()
    annotations.unlink()
    (published / "cars_test/00001.jpg").unlink()
    with pytest.raises(SourceError, match="no photos beside them"):
        read()


@pytest.mark.data
def test_real_devkit(shared_data: Path, tmp_path: Path) -> None:
    """The published .mat files are understood: class and box are those listed by others as text."""
    (tmp_path / "devkit").symlink_to(shared_data / "stanford-cars-devkit")
    for part in ("train", "test"):
        (tmp_path / f"cars_{part}").mkdir()
        (tmp_path / f"cars_{part}/00001.jpg").write_bytes(jpeg_file(600, 400))
    found = {image.name: image for image in read_source(tmp_path, DataOptions()).images}
    assert len(found) == 8144 + 8041
    names = (shared_data / "stanford-cars-devkit/class_names.csv").read_text().splitlines()
    for part, labelled in (("train", True), ("test", False)):
        by_others = (shared_data / f"stanford-cars-devkit/anno_{part}.csv").read_text().splitlines()
        row = next(line.split(",") for line in by_others if line.startswith("00001.jpg"))
        x1, y1, x2, y2, number = map(int, row[1:6])
        image = found[f"cars_{part}/00001.jpg"]
        assert image.box_px == (x1 - 16, y1 - 16, x2 + 16, y2 + 16)
        assert image.class_name == (names[number].split(",")[1] if labelled else None)

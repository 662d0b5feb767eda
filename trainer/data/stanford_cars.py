"""Stanford Cars as published (Krause et al. 2013): MATLAB annotations beside folders of photos.

Two layouts exist, both found at any depth:

cars_train/, cars_test/    with cars_meta.mat, cars_train_annos.mat and, for the test photos,
                           cars_test_annos_withlabels.mat or cars_test_annos.mat (boxes without classes)
car_ims/                   with cars_annos.mat, which holds classes, boxes and the split of all 16,185
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from scipy.io import loadmat

from trainer.data.errors import SourceError
from trainer.data.location import Folder
from trainer.data.raw import RawImage
from trainer.data.splits import TEST, TRAIN

BOX_MARGIN_PX = 16
"""Photos are cut to the annotated box and this much around it."""

_PARTS = {
    "cars_train": (TRAIN, ("cars_train_annos.mat",)),
    "cars_test": (TEST, ("cars_test_annos_withlabels.mat", "cars_test_annos.mat")),
}


@dataclass(frozen=True)
class Layout:
    """Where the parts of the set lie."""

    annotations: dict[str, str]
    """Paths of the .mat files by their name."""
    photos: dict[str, str]
    """Paths of the photos by folder and name, such as `cars_train/00001.jpg`."""


def find(names: list[str]) -> Layout | None:
    """Returns the layout among the files of a folder, None when they are not Stanford Cars."""
    annotations = {PurePosixPath(name).name: name for name in names if name.endswith(".mat")}
    if not annotations.keys() & {"cars_meta.mat", "cars_annos.mat"}:
        return None
    photos = {"/".join(PurePosixPath(name).parts[-2:]): name for name in names if name.endswith(".jpg")}
    return Layout(annotations, photos)


def read(folder: Folder, layout: Layout, *, takes: Callable[[str], bool], crop: bool) -> Iterator[RawImage]:
    """Yields every annotated photo; one that is not there has no data.

    Args:
        folder: files of the set.
        layout: what `find` found among them.
        takes: says whether the photo at a path is wanted.
        crop: give the boxes.

    Raises:
        SourceError: annotations are damaged, or there are no photos beside them.
    """
    annotated = [photo for photo in _annotated(folder, layout) if takes(photo.name)]
    there = layout.photos.keys() & {photo.name for photo in annotated}
    if not there:
        raise SourceError(
            "Stanford's annotations have no photos beside them; looked for cars_train/ with "
            "cars_train_annos.mat, cars_test/ with cars_test_annos_withlabels.mat, and car_ims/ with "
            "cars_annos.mat"
        )
    found = [photo for photo in annotated if photo.name in there]
    contents = folder.read(layout.photos[photo.name] for photo in found)
    for photo, (_, data) in zip(found, contents, strict=True):
        yield RawImage(photo.name, data, photo.class_name, photo.box_px if crop else None, photo.split)
    yield from (photo for photo in annotated if photo.name not in there)


def _annotated(folder: Folder, layout: Layout) -> Iterator[RawImage]:
    if "cars_annos.mat" in layout.annotations and any(name.startswith("car_ims/") for name in layout.photos):
        path = layout.annotations["cars_annos.mat"]
        names = _load(folder, path, "class_names")
        for record in _load(folder, path, "annotations"):
            split = TEST if int(record["test"]) else TRAIN
            yield _photo(str(record["relative_im_path"]), record, names, split, path)
        return
    names = _load(folder, layout.annotations["cars_meta.mat"], "class_names")
    for part, (split, candidates) in _PARTS.items():
        has_photos = any(name.startswith(f"{part}/") for name in layout.photos)
        path = next((layout.annotations[c] for c in candidates if c in layout.annotations), None)
        if path and has_photos:
            for record in _load(folder, path, "annotations"):
                yield _photo(f"{part}/{_field(record, 'fname', path)}", record, names, split, path)


def _photo(name: str, record: Any, class_names: Any, split: str, path: str) -> RawImage:
    left, top, right, bottom = (
        int(_field(record, f"bbox_{side}", path)) for side in ("x1", "y1", "x2", "y2")
    )
    margin = BOX_MARGIN_PX
    box_px = (left - margin, top - margin, right + margin, bottom + margin)
    class_name = None
    if "class" in record.dtype.names:
        number = int(record["class"])
        if not 1 <= number <= len(class_names):
            raise SourceError(f"{path} gives {name} the class {number}; there are 1 to {len(class_names)}")
        class_name = str(class_names[number - 1])
    return RawImage(name, None, class_name, box_px, split)


def _field(record: Any, field: str, path: str) -> Any:
    if field not in (record.dtype.names or ()):
        raise SourceError(f"{path} is not one of Stanford's annotation files: its records have no {field}")
    return record[field]


def _load(folder: Folder, path: str, variable: str) -> Any:
    ((_, data),) = folder.read([path])
    try:
        return np.atleast_1d(loadmat(io.BytesIO(data), squeeze_me=True)[variable])
    except Exception as error:  # scipy raises many types for a damaged file
        raise SourceError(f"{path} is not one of Stanford's annotation files: {error}") from error

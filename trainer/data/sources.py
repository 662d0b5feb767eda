"""Where training images come from: folders, tar files and Stanford Cars as published.

A source yields `RawImage`s in a fixed order; decoding and judging them is `trainer.data.prepare`'s part.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import numpy as np
from scipy.io import loadmat

from trainer.data.labels import LabelRule, body_type, label_of
from trainer.errors import TrainerError


class SourceError(TrainerError):
    """The data cannot be found or read; the message says what was looked for."""


@dataclass(frozen=True)
class RawImage:
    """A file that should be an image."""

    name: str
    """Path within the source, with forward slashes."""
    data: bytes
    """Content of the file."""
    label: str
    """Label under the source's rule."""
    box_px: tuple[int, int, int, int] | None = None
    """Left, top, right, bottom to cut to, where the source knows it."""


@dataclass(frozen=True)
class Selection:
    """Which files of a source to take and how to label them."""

    rule: LabelRule = "folder"
    """`folder`: the folder's name in lower case; `body-type`: the body type in the folder's name."""
    single_label: str | None = None
    """One label for all files, instead of a rule."""
    include: tuple[str, ...] = ()
    """Shell patterns of paths; a file must match one. None: all."""
    exclude: tuple[str, ...] = ()
    """Shell patterns of paths; a file must match none."""

    def takes(self, name: str) -> bool:
        """Says whether the file at path `name` is selected."""
        wanted = not self.include or any(fnmatch(name, pattern) for pattern in self.include)
        return wanted and not any(fnmatch(name, pattern) for pattern in self.exclude)

    def label(self, name: str) -> str:
        """Returns the label of the file at path `name`."""
        return self.single_label or label_of(PurePosixPath(name).parent.name, self.rule)


BOX_MARGIN_PX = 16
"""Stanford Cars photos are cut to the annotated box and this much around it (Krause et al. 2013)."""


def read_source(path: Path, selection: Selection, *, crop: bool = True) -> Iterator[RawImage]:
    """Yields the images at `path` in the order of their names.

    `path` is Stanford Cars as published (a folder with devkit/cars_meta.mat), a tar file, or a folder
    of `label/*.jpg` at any depth, such as Kaggle's cat-and-dog set.

    Args:
        path: file or folder.
        selection: which files, and their labels; for Stanford Cars the label is the class's body type
            unless `single_label` is given.
        crop: cut Stanford Cars photos to their boxes.

    Raises:
        SourceError: nothing usable is at `path`.
    """
    if path.is_file():
        if not tarfile.is_tarfile(path):
            raise SourceError(f"{path} is not a tar file; accepted: a tar file or a folder of images")
        return _read_tar(path, selection)
    if not path.is_dir():
        raise SourceError(f"{path} does not exist")
    meta = [path / "devkit/cars_meta.mat", path / "cars_meta.mat"]
    for candidate in meta:
        if candidate.is_file():
            return _read_stanford_cars(path, candidate.parent, selection, crop=crop)
    return _read_folder(path, selection)


def _read_folder(path: Path, selection: Selection) -> Iterator[RawImage]:
    names = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    for name in filter(selection.takes, names):
        yield RawImage(name, (path / name).read_bytes(), selection.label(name))


def _read_tar(path: Path, selection: Selection) -> Iterator[RawImage]:
    with tarfile.open(path) as tar:
        members = {m.name.removeprefix("./"): m for m in tar if m.isfile()}
        for name in sorted(filter(selection.takes, members)):
            file = tar.extractfile(members[name])
            assert file is not None  # noqa: S101 - only files were kept
            yield RawImage(name, file.read(), selection.label(name))


def _read_stanford_cars(path: Path, devkit: Path, selection: Selection, *, crop: bool) -> Iterator[RawImage]:
    """Yields the photos of cars_train/ and, where its labels are at hand, cars_test/."""
    class_names = [str(name[0]) for name in loadmat(devkit / "cars_meta.mat")["class_names"][0]]
    parts = {
        "cars_train": [devkit / "cars_train_annos.mat"],
        "cars_test": [path / "cars_test_annos_withlabels.mat", devkit / "cars_test_annos_withlabels.mat"],
    }
    found = False
    for folder, candidates in parts.items():
        annotations = next((c for c in candidates if c.is_file()), None)
        if annotations is None or not (path / folder).is_dir():
            continue
        found = True
        for record in np.atleast_1d(loadmat(annotations, squeeze_me=True)["annotations"]):
            name = f"{folder}/{record['fname']}"
            photo = path / name
            if not photo.is_file() or not selection.takes(name):
                continue
            box = tuple(int(record[f"bbox_{side}"]) for side in ("x1", "y1", "x2", "y2"))
            left, top, right, bottom = box
            margin = BOX_MARGIN_PX
            yield RawImage(
                name,
                photo.read_bytes(),
                selection.single_label or body_type(class_names[int(record["class"]) - 1]),
                (left - margin, top - margin, right + margin, bottom + margin) if crop else None,
            )
    if not found:
        raise SourceError(
            f"{path} has Stanford's devkit but no cars_train/ beside it (or cars_test/ with "
            "cars_test_annos_withlabels.mat)"
        )

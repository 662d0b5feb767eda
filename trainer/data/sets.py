"""Prepared sets on disk: images decoded once, as arrays that are mapped into memory.

SET/set.json            what the set is, and what was left out (`SetInfo`)
SET/<split>.images.npy  uint8 [N, C, S, S]
SET/<split>.labels.npy  int64 [N], -1 = unlabelled
SET/<split>.files.csv   file and label of each image
SET/left_out.csv        file, reason and detail of each file left out

set.json is written last and the folder gets its name when it is whole, so a set that opens is complete.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from trainer.data.dataset import UNLABELLED, Dataset
from trainer.data.errors import SetError
from trainer.data.examine import LeftOut
from trainer.data.splits import TRAIN

SET_FILE = "set.json"
FORMAT, VERSION = "ganpress-set", 1


class SplitInfo(BaseModel):
    """One split of a set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int
    """Number of images."""
    images_per_label: dict[str, int]
    """Number of images of each label of the set."""
    unlabelled: int
    """Number of images without a label."""
    sha256: str
    """`Dataset.sha256`."""


class SetInfo(BaseModel):
    """What set.json says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["ganpress-set"] = FORMAT
    version: Literal[1] = VERSION
    name: str
    """Name of the data."""
    terms: str
    """Origin and licence of the data."""
    source: str
    """Path or URL of the raw data."""
    source_kind: str
    """`folder`, `tar` or `stanford-cars`."""
    options: dict[str, Any]
    """`DataOptions` that were not at their defaults."""
    size_px: int
    """Side of the images."""
    channels: int
    """1 grey, 3 RGB."""
    labels: tuple[str, ...]
    """Sorted names of the labels."""
    files: int
    """Number of files looked at."""
    splits: dict[str, SplitInfo]
    """Splits that hold images."""
    left_out: dict[str, int]
    """Number of files left out, by reason."""


@dataclass(frozen=True)
class PreparedSet:
    """A prepared set that was found whole."""

    folder: Path
    """Where it lies."""
    info: SetInfo
    """What it is."""

    def split(self, name: str = TRAIN) -> Dataset:
        """Returns one split, its images mapped into memory.

        Raises:
            SetError: the set has no such split, or its files are damaged.
        """
        if name not in self.info.splits:
            there = ", ".join(self.info.splits)
            raise SetError(f"{self.folder} has no images in the split {name!r}; it has: {there}")
        info = self.info
        count, size_px = info.splits[name].images, info.size_px
        images = _open_array(
            self.folder / f"{name}.images.npy", (count, info.channels, size_px, size_px), np.uint8
        )
        labels = np.array(_open_array(self.folder / f"{name}.labels.npy", (count,), np.int64))
        if labels.min() < UNLABELLED or labels.max() >= len(info.labels):
            raise SetError(f"{self.folder / f'{name}.labels.npy'} is damaged: it holds labels out of range")
        return Dataset(images, labels, info.labels, info.name, info.terms, info.left_out, self.folder)

    def files(self, name: str = TRAIN) -> list[str]:
        """Returns the path of each image of a split within the raw data."""
        with (self.folder / f"{name}.files.csv").open(encoding="utf-8", newline="") as file:
            return [row["file"] for row in csv.DictReader(file)]

    def verify(self) -> None:
        """Reads the whole set and compares the digests.

        Raises:
            SetError: the images or labels of a split are not those that were written.
        """
        for name, split in self.info.splits.items():
            if self.split(name).sha256() != split.sha256:
                raise SetError(
                    f"{self.folder} is damaged: the digest of its split {name!r} is wrong; prepare it again"
                )


def is_set(folder: Path) -> bool:
    """Says whether a folder claims to be a prepared set."""
    return (folder / SET_FILE).is_file()


def open_set(folder: Path, *, verify: bool = False) -> PreparedSet:
    """Returns the prepared set in a folder; sizes are checked, and digests with `verify`.

    Raises:
        SetError: there is none, it is of another version, or it is damaged.
    """
    if not is_set(folder):
        raise SetError(f"{folder} holds no prepared set: there is no {SET_FILE} in it")
    try:
        record = json.loads((folder / SET_FILE).read_text(encoding="utf-8"))
        if isinstance(record, dict) and record.get("version", VERSION) != VERSION:
            raise SetError(
                f"{folder} is a set of format version {record['version']}; this program reads {VERSION}"
            )
        info = SetInfo.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or SET_FILE
        raise SetError(f"{folder / SET_FILE} is damaged: {where}: {first['msg']}") from error
    except ValueError as error:
        raise SetError(f"{folder / SET_FILE} is damaged: {error}") from error
    prepared = PreparedSet(folder, info)
    for name in info.splits:
        prepared.split(name)
    if verify:
        prepared.verify()
    return prepared


@contextmanager
def new_set_folder(folder: Path) -> Iterator[Path]:
    """Gives an empty folder that becomes `folder` when the block ends well, and is removed when not.

    Raises:
        SetError: `folder` already holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "already holds a prepared set" if is_set(folder) else "exists and is not empty"
        raise SetError(f"{folder} {what}; choose another folder or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    try:
        yield partial
        partial.chmod(0o755)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_split(
    folder: Path, name: str, images: np.ndarray, chosen: np.ndarray, labels: np.ndarray, files: list[str],
    label_names: tuple[str, ...],
) -> SplitInfo:  # fmt: skip
    """Writes the files of one split.

    Args:
        folder: of the set.
        name: of the split.
        images: uint8 [M, C, S, S], of all splits.
        chosen: positions of the split's images in `images`.
        labels: int64 [N], of the split's images.
        files: paths of the split's images within the raw data.
        label_names: names of the set's labels.
    """
    with (folder / f"{name}.images.npy").open("wb") as file:
        # Not through a map: on a full disk that kills the process instead of raising an error.
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(chosen), *images.shape[1:])}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(chosen), 1024):
            file.write(images[chosen[start : start + 1024]].tobytes())
        _sync(file)
    with (folder / f"{name}.labels.npy").open("wb") as file:
        np.save(file, labels.astype("<i8"))
        _sync(file)
    rows = (
        (path, label_names[label] if label != UNLABELLED else "")
        for path, label in zip(files, labels, strict=True)
    )
    _write_table(folder / f"{name}.files.csv", ("file", "label"), rows)
    data = Dataset(np.load(folder / f"{name}.images.npy", mmap_mode="r"), labels, label_names)
    return SplitInfo(
        images=len(chosen), images_per_label=data.counts, unlabelled=data.unlabelled, sha256=data.sha256()
    )


def write_info(folder: Path, info: SetInfo) -> None:
    """Writes set.json, which makes the folder a set."""
    with (folder / SET_FILE).open("w", encoding="utf-8") as file:
        file.write(info.model_dump_json(indent=2) + "\n")
        _sync(file)


def write_left_out(folder: Path, left_out: Iterable[LeftOut]) -> None:
    """Writes left_out.csv, sorted."""
    rows = sorted((file.file, file.reason, file.detail) for file in left_out)
    _write_table(folder / "left_out.csv", ("file", "reason", "detail"), rows)


def _write_table(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Writes a CSV; bytes of names that are no text are escaped."""
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        _sync(file)


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _open_array(path: Path, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Maps an array so that writing to it would not change its file; PyTorch takes no read-only ones."""
    try:
        array = np.load(path, mmap_mode="c")
    except FileNotFoundError:
        raise SetError(f"{path} is missing; prepare the set again") from None
    except (ValueError, EOFError, OSError) as error:
        raise SetError(f"{path} is damaged: {error}; prepare the set again") from error
    expected_bytes = array.offset + array.nbytes if isinstance(array, np.memmap) else -1
    if array.shape != shape or array.dtype != dtype or path.stat().st_size != expected_bytes:
        raise SetError(
            f"{path} is damaged: it holds {array.dtype} {list(array.shape)} where {np.dtype(dtype)} "
            f"{list(shape)} is expected; prepare the set again"
        )
    return array

"""Which split an image belongs to, and what its class is, as its path says."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

TRAIN, VALIDATION, TEST = "train", "val", "test"
SPLITS = (TRAIN, VALIDATION, TEST)

_SPLIT_OF_WORD = {
    "train": TRAIN, "training": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION,
    "test": TEST, "testing": TEST,
}  # fmt: skip
_FOLDER = re.compile(
    rf"(?:.*[-_. ])?({'|'.join(_SPLIT_OF_WORD)})(?:[-_. ]?(?:set|images?|data|\d+))*", re.IGNORECASE
)


def split_in_folder(folder: str) -> str | None:
    """Returns the split that a folder's name tells (`training_set`, `cars_test`, `x-val-003`), else None."""
    found = _FOLDER.fullmatch(folder)
    return _SPLIT_OF_WORD[found[1].lower()] if found else None


def split_of(path: str) -> str | None:
    """Returns the split that the topmost telling folder of a path names, None when there is none."""
    return next(filter(None, map(split_in_folder, PurePosixPath(path).parts[:-1])), None)


def class_of(path: str) -> str | None:
    """Returns the name of the nearest folder that names no split, None when there is none."""
    folders = PurePosixPath(path).parts[:-1]
    return next((folder for folder in reversed(folders) if not split_in_folder(folder)), None)

"""Prepared images with their labels, as training sees them."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

UNLABELLED = -1
"""Label index of an image without a label."""


@dataclass(frozen=True)
class Dataset:
    """One split of a prepared set, in memory or mapped from its files; not to be changed."""

    images: np.ndarray
    """uint8 [N, C, S, S], 0..255."""
    labels: np.ndarray
    """int64 [N], indices into `label_names`, or `UNLABELLED`."""
    label_names: tuple[str, ...]
    """Sorted names of the labels; the same for all splits of a set."""
    name: str = ""
    """Name of the data."""
    terms: str = ""
    """Origin and licence of the data."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Number of files of the whole set that were left out, by reason."""
    folder: Path | None = None
    """Folder of the prepared set it is from."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of images by label; unlabelled ones are not counted."""
        numbers = Counter(self.labels.tolist())
        return {name: numbers[i] for i, name in enumerate(self.label_names)}

    @property
    def unlabelled(self) -> int:
        """Number of images without a label."""
        return int(np.count_nonzero(self.labels == UNLABELLED))

    def sha256(self) -> str:
        """Returns the digest of images, labels and names, lower-case hexadecimal; it is computed once."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        digest = hashlib.sha256()
        for start in range(0, len(self.images), 4096):
            digest.update(np.ascontiguousarray(self.images[start : start + 4096]).data)
        digest.update(self.labels.astype("<i8").tobytes())
        digest.update("\0".join(self.label_names).encode())
        return digest.hexdigest()


def data_record(data: Dataset) -> dict[str, Any]:
    """Returns what a run keeps of its training data: name, terms, numbers, digest and what was left out."""
    return {
        "name": data.name,
        "terms": data.terms,
        "set": str(data.folder.resolve()) if data.folder else None,
        "images": len(data.images),
        "images_per_label": data.counts,
        "unlabelled": data.unlabelled,
        "sha256": data.sha256(),
        "left_out": data.left_out,
    }

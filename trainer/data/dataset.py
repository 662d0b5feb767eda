"""Prepared images with their labels."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Dataset:
    """Prepared images in memory."""

    images: np.ndarray
    """uint8 [N, C, S, S], 0..255."""
    labels: np.ndarray
    """int64 [N], indices into `label_names`."""
    label_names: tuple[str, ...]
    """Sorted names of the labels."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Number of files left out, by reason."""
    examples: dict[str, str] = field(default_factory=dict)
    """The first file left out for each reason."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of images by label."""
        numbers = np.bincount(self.labels, minlength=len(self.label_names))
        return {name: int(n) for name, n in zip(self.label_names, numbers, strict=True)}

    def sha256(self) -> str:
        """Returns the digest of images, labels and names, lower-case hexadecimal."""
        digest = hashlib.sha256(self.images.tobytes())
        digest.update(self.labels.tobytes())
        digest.update("\0".join(self.label_names).encode())
        return digest.hexdigest()


def data_record(data: Dataset, name: str, terms: str) -> dict[str, Any]:
    """Returns what a run keeps of its training data: name, terms, numbers, digest and what was left out."""
    return {
        "name": name,
        "terms": terms,
        "images": len(data.images),
        "images_per_label": data.counts,
        "sha256": data.sha256(),
        "skipped": dict(data.skipped),
    }

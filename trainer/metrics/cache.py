"""Keeps what was computed of real images beside their set, so that it is computed once."""

from __future__ import annotations

import contextlib
import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainer.files import write_atomically

FOLDER = "metrics"


class Cache:
    """Arrays by key, a file each, in the folder `metrics` of a prepared set, which anyone may remove."""

    def __init__(self, prepared: Path) -> None:
        self._folder = prepared / FOLDER

    def get(self, key: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Returns the arrays kept under `key`, which names all they depend on; else computes them.

        A folder that cannot be written to is no error: they are computed again next time.
        """
        path = self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"
        with contextlib.suppress(OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError):
            with np.load(path) as kept:
                arrays = dict(kept)
            if arrays.pop("key").item() == key:
                return arrays
        arrays = compute()
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, key=np.array(key), **arrays)
        with contextlib.suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            write_atomically(path, buffer.getvalue())
        return arrays

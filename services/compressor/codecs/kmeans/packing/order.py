"""The order of a palette in which an entry's first bits tell most about its colour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.base import Pixels


def similar_first(palette: Pixels) -> npt.NDArray[np.intp]:
    """Returns the order of entries: halves apart in colour, then halves of halves, and so on."""
    columns = palette.astype(np.int64)
    if palette.shape[1] >= 3:
        # Along the grey axis too, scaled as the others are: colours of photographs lie near it.
        columns = np.column_stack([columns, columns[:, :3].sum(axis=1) * 4 // 7])
    return _halved(np.arange(len(palette)), columns)


def _halved(entries: npt.NDArray[np.intp], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    if len(entries) < 2:
        return entries
    values = columns[entries]
    spread = len(entries) * np.square(values).sum(axis=0) - np.square(values.sum(axis=0))
    along = np.argsort(values[:, np.argmax(spread)], kind="stable")
    # A first half of a power of two: all its entries then share their first bit.
    half = 1 << (len(entries) - 1).bit_length() - 1
    return np.concatenate([_halved(entries[along[:half]], columns), _halved(entries[along[half:]], columns)])

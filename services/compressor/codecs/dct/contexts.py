"""What the models of the entropy coder are asked about: quantised neighbourhoods, and where each model lies.

Every decision about a coefficient has eight contexts, each in a region of its own. A region holds
DECISIONS models for each of its contexts, one for each decision of a coefficient's magnitude.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.int32]

DECISIONS = 8
"""Is it 0, is it 1, ..., is it 7 or more: the models of a context."""
VOTERS = 8
"""Contexts of each decision about a magnitude; those that need fewer use the first ones."""


def _classes(limits: list[int], size: int) -> Table:
    """Returns [size]: how many of the limits each number has reached."""
    return np.searchsorted(np.array(limits), np.arange(size), side="right").astype(np.int32)


LOCAL = _classes([1, 2, 3, 4, 5, 7, 9, 12, 16, 22, 32], 128)
"""12 classes of the magnitudes beside a coefficient in its block."""
COARSE = _classes([1, 3, 7], 128)
"""4 classes of the same."""
EXPECTED = _classes([1, 3, 6, 10, 15, 21, 29, 40, 56, 80, 120], 256)
"""12 classes of the magnitudes at a frequency in the blocks to the left and above."""
REFERENCE = _classes([1, 8, 24], 256)
"""4 classes of the magnitude at a frequency in another plane."""
EDGE_LEVEL = _classes([1, 2, 3, 5, 8, 14, 24], 64)
"""8 classes of what a neighbour's edge leaves unexplained, in quarters of a step."""
FREQUENCY = _classes([1, 2, 3, 4, 6, 8, 12, 16, 24], 32)
"""10 classes of a frequency."""
DIAGONAL = _classes([1, 2, 3, 4, 5, 6, 8, 10, 13, 18, 26], 64)
"""12 classes of the sum of both frequencies."""
SCAN_CLASS = _classes([1, 2, 3, 5, 8, 12, 18, 28, 44, 64, 100, 160, 256, 400, 640], 1024)
"""16 classes of the place in the scan."""

# Regions of the models: name, number of contexts.
_REGIONS = {
    "position": 6 * 100 * 4,
    "expected": 6 * 12 * 12,
    "pattern": 6 * 432,
    "reference": 2 * 12 * 12 * 16,
    "ending": 6 * 21 * 16,
    "top": 6 * 15 * 8 * 4,
    "left": 6 * 15 * 8 * 4,
    "around": 6 * 12 * 4 * 12,
    "mean": 6 * 10 * 12 * 4,
    "sign": 2 * 15 * 16 * 3,
    "end": 6 * 22 * 4,
    "split": 64,
    "escape": 2 * 5,
}


def _bases() -> tuple[dict[str, int], int]:
    bases: dict[str, int] = {}
    total = 0
    for name, contexts in _REGIONS.items():
        bases[name] = total
        total += contexts * (32 if name == "end" else DECISIONS)
    return bases, total


BASES, MODELS = _bases()
"""Index of the first model of each region; number of all models."""

# Sets of the mixer's weights: 8 for each decision of AC and DC magnitudes by plane and size, then the others.
MAGNITUDE_SETS = 0
SIGN_SETS = 2 * 6 * DECISIONS * 3
END_SETS = SIGN_SETS + 12
SPLIT_SETS = END_SETS + 30
LIGHT_SETS = SPLIT_SETS + 4
WEIGHT_SETS = LIGHT_SETS + 6 * DECISIONS * 3

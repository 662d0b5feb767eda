"""The study's control: coefficients below a share of the plane's largest one are dropped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.coding import compiled
from services.compressor.codecs.dct.transforms import forward_transform


@compiled
def threshold_blocks(
    samples: npt.NDArray[np.float32],
    threshold: float,
    coefficients: npt.NDArray[np.int16],
    targets: npt.NDArray[np.int32],
) -> None:
    """Rounds a plane's 8 x 8 coefficients; those below `threshold` times the largest become 0.

    Args:
        samples: float32 [8 units_y, 8 units_x], around 0.
        threshold: Above 0, below 1.
        coefficients: The result, but for the means.
        targets: [units_y, units_x], the result: coefficient 0 of each block, times 16.
    """
    units_y, units_x = targets.shape
    transformed = np.zeros(1024, np.float32)
    middle = np.zeros(1024, np.float32)
    largest = np.float32(0.0)
    for measuring in range(2):
        least = np.float32(threshold) * largest
        for y8 in range(units_y):
            for x8 in range(units_x):
                forward_transform(samples, y8 * 8, x8 * 8, 0, middle, transformed)
                for u in range(8):
                    for v in range(8):
                        value = transformed[32 * u + v]
                        if measuring == 0:
                            largest = max(largest, abs(value))
                            continue
                        rounded = np.int64(np.floor(abs(value) + np.float32(0.5)))
                        if abs(value) < least:
                            rounded = np.int64(0)
                        elif value < 0:
                            rounded = -rounded
                        if u + v == 0:
                            targets[y8, x8] = 16 * rounded
                        else:
                            coefficients[8 * y8 + u, 8 * x8 + v] = rounded

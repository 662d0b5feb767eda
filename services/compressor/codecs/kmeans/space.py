"""The space in which colours are clustered: whole numbers, and transparency counts as the eye sees it.

An RGBA colour looks like p on black and p + (255 - a) on white, where p is the colour times its opacity.
The squared difference of two colours, summed over both backgrounds, is

    (2 dp_r - da)^2 / 2 + (2 dp_g - da)^2 / 2 + (2 dp_b - da)^2 / 2 + 3 da^2 / 2,

which is a Euclidean distance in (2 p - a, sqrt(3) a). Colours without transparency keep the geometry of RGB,
and what a transparent pixel hides counts for nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.base import Pixels

Points = npt.NDArray[np.int32]
"""Points of the space, [points, 4]: three of 0..16320, a level of an opaque colour being 64; one of 0..14133.

Squared distances are below 2^30, so that 32-bit integers hold them.
"""

LEVEL = 64
"""Length of one grey level of one channel of an opaque colour."""
_ALPHA_SCALE = 55.4256258  # LEVEL / 2 * sqrt(3)
_ALPHA = np.rint(np.arange(256) * _ALPHA_SCALE).astype(np.int32)


def points_of(colors: Pixels) -> Points:
    """Returns the points of colours, [colours, 1, 3 or 4]."""
    rgb = colors if colors.shape[1] == 1 else colors[:, :3]
    points = np.empty((len(colors), 4), np.int32)
    if colors.shape[1] < 4:
        points[:, :3] = rgb.astype(np.int32) * LEVEL
        points[:, 3] = _ALPHA[255]
        return points
    alpha = colors[:, 3].astype(np.int32)
    premultiplied = (rgb.astype(np.int32) * alpha[:, np.newaxis] * LEVEL + 127) // 255
    points[:, :3] = premultiplied + (255 - alpha[:, np.newaxis]) * (LEVEL // 2)
    points[:, 3] = _ALPHA[alpha]
    return points


def colors_of(points: Points, channels: int) -> Pixels:
    """Returns the colours nearest to points, uint8 [points, channels]; 1, 3 or 4 channels."""
    if channels < 4:
        return np.clip((points[:, :channels] + LEVEL // 2) // LEVEL, 0, 255).astype(np.uint8)
    alpha = np.clip(np.rint(points[:, 3] / _ALPHA_SCALE), 0, 255).astype(np.int64)
    premultiplied = points[:, :3] - (255 - alpha[:, np.newaxis]) * (LEVEL // 2)
    divisor = np.maximum(alpha, 1)[:, np.newaxis] * LEVEL
    rgb = np.clip((premultiplied * 255 + divisor // 2) // divisor, 0, 255)
    rgb[alpha == 0] = 0
    return np.concatenate([rgb, alpha[:, np.newaxis]], axis=1).astype(np.uint8)

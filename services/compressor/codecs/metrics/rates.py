"""Bytes spent, and what one codec saves beside another."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, cast

from services.compressor.codecs.base import Pixels
from services.compressor.codecs.errors import MissingPackageError

_LEAST_POINTS = 2


def bits_per_pixel(size_bytes: int, image: Pixels) -> float:
    """Returns the bits that a file of this size spends on each pixel of its image."""
    return 8 * size_bytes / (image.shape[0] * image.shape[1])


def bd_rate(anchor: Iterable[tuple[float, float]], test: Iterable[tuple[float, float]]) -> float | None:
    """Returns Bjøntegaard's delta rate: by how many per cent `test` is larger at the same quality.

    Negative is smaller. The mean is over the qualities that both curves reach, between points by Akima's
    interpolation of the logarithm of the rate (package `bjontegaard`).

    Args:
        anchor: Points (rate, quality) of the codec to compare with, in any order and unit. A point that
            another one beats in both is left out, as are infinite qualities.
        test: The same of the other codec.

    Returns:
        The difference, or None when the curves share no range of quality.

    Raises:
        MissingPackageError: The package is not installed.
    """
    try:
        import bjontegaard  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise MissingPackageError("BD-rate", "bjontegaard", "metrics") from None
    a, b = _front(anchor), _front(test)
    if min(len(a), len(b)) < _LEAST_POINTS or a[0][1] >= b[-1][1] or b[0][1] >= a[-1][1]:
        return None
    rates_a, qualities_a = zip(*a, strict=True)
    rates_b, qualities_b = zip(*b, strict=True)
    method = "akima" if min(len(a), len(b)) > _LEAST_POINTS else "pchip"
    delta = cast("Any", bjontegaard).bd_rate(
        rates_a,
        qualities_a,
        rates_b,
        qualities_b,
        method=method,
        require_matching_points=False,
        min_overlap=0,
    )
    return float(delta)


def _front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns the points that no other beats, both rate and quality ascending."""
    front: list[tuple[float, float]] = []
    for rate, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if math.isfinite(quality) and (not front or quality > front[-1][1]):
            front.append((rate, quality))
    return front

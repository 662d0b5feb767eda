"""Bits per pixel and differences of rate."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compressor.codecs import MissingPackageError, bd_rate, bits_per_pixel
from tests.helpers.images import smooth_image

pytest.importorskip("bjontegaard")
CURVE = [(0.25, 28.0), (0.5, 31.5), (1.0, 35.2), (2.0, 39.0), (3.0, 41.0)]


def test_bits_per_pixel() -> None:
    """Bits per pixel counts pixels, not samples."""
    assert bits_per_pixel(100, smooth_image(20, 10)) == 4


@given(st.floats(0.1, 10), st.permutations(range(len(CURVE))))
def test_bd_rate_of_a_constant_factor(factor: float, order: list[int]) -> None:
    """A codec that spends a factor more at every quality has that BD-rate, in whatever order points come."""
    test = [(CURVE[i][0] * factor, CURVE[i][1]) for i in order]
    assert bd_rate(CURVE, test) == pytest.approx(100 * (factor - 1), abs=1e-6)


def test_bd_rate_is_the_packages() -> None:
    """On two monotone curves it is the package's number."""
    import bjontegaard

    test = [(0.2, 28.5), (0.45, 32.5), (0.9, 36.0), (1.7, 39.5)]
    rates, qualities = zip(*CURVE, strict=True)
    expected = bjontegaard.bd_rate(
        rates, qualities, *zip(*test, strict=True), method="akima", require_matching_points=False
    )
    assert bd_rate(CURVE, test) == pytest.approx(expected)
    assert expected < 0


def test_points_that_do_not_count() -> None:
    """Points beaten by others and lossless ones leave the result as it is."""
    more = [*CURVE, (0.6, 31.0), (9.0, math.inf)]
    assert bd_rate(CURVE, more) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("test", [[], [(1.0, 35.0)], [(1.0, 50.0), (2.0, 60.0)], [(0.1, 10.0), (0.2, 28.0)]])
def test_no_common_range(test: list[tuple[float, float]]) -> None:
    """Curves that share no range of quality have no BD-rate."""
    assert bd_rate(CURVE, test) is None
    assert bd_rate(test, CURVE) is None


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the message says what to install."""
    monkeypatch.setitem(sys.modules, "bjontegaard", None)
    with pytest.raises(MissingPackageError, match="BD-rate needs the package bjontegaard"):
        bd_rate(CURVE, CURVE)

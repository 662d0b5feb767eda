"""Names of curves and confidence intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.experiment.report.measures import MEASURES, Families, bootstrap, covered, is_swept

SETTINGS = [
    ("dct", "threshold=0.01"),
    ("dct", "threshold=0.02"),
    ("dct", "quality=75"),
    ("dct", "effort=fast quality=75"),
    ("jpeg", "optimize=true subsampling=420 quality=85"),
    ("png", "lossless"),
]


def test_curves_are_named_by_what_tells_them_apart() -> None:
    """Settings that differ in a number are one curve; a codec with one curve has the codec's name."""
    families = Families(SETTINGS)
    names = [families.name(*setting) for setting in SETTINGS]
    assert names == [
        "dct threshold",
        "dct threshold",
        "dct quality",
        "dct effort=fast quality",
        "jpeg",
        "png",
    ]
    assert families.hue("dct threshold") == families.hue("dct") == 0
    assert families.hue("jpeg") == 3
    assert families.first("jpeg") == "jpeg"
    assert families.first("avif") is None


def test_what_is_swept() -> None:
    """A search for a size and a lossless setting are no points of a sweep."""
    assert is_swept("quality=85")
    assert not is_swept("lossless")
    assert not is_swept("compression=lzw")
    assert not is_swept("size of dct threshold=0.01")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_an_interval_holds_its_mean(values: list[float]) -> None:
    """The mean lies in the interval, the same values give the same interval, and one value has none."""
    interval = bootstrap(values)
    assert interval == bootstrap(values)
    assert interval.count == len(values)
    assert interval.mean == pytest.approx(np.mean(values), abs=1e-6)
    if len(values) == 1:
        assert interval.low is None
        assert not interval.is_clear
    else:
        assert interval.low is not None
        assert interval.high is not None
        assert interval.low - 1e-6 <= interval.mean <= interval.high + 1e-6


def test_an_interval_is_as_wide_as_theory_says() -> None:
    """Of 400 values the 95 % interval is about 2 x 1.96 standard deviations / 20 wide."""
    values = np.random.default_rng(1).normal(size=400)
    interval = bootstrap(list(values))
    assert interval.low is not None
    assert interval.high is not None
    assert interval.high - interval.low == pytest.approx(0.196 * values.std(), rel=0.1)


def test_measures_that_most_panels_have_come_first() -> None:
    """SSIMULACRA2 decides, unless images are too small for it; what no panel has is left out."""
    assert covered([["ssim", "ssimulacra2"], ["ssimulacra2"]])[0].column == "ssimulacra2"
    assert [one.column for one in covered([["ssim", "ssimulacra2"], ["ssim"]])] == ["ssim", "ssimulacra2"]
    assert covered([]) == []
    assert len(MEASURES) == 5

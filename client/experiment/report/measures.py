"""The measures that a report shows, the names of settings, and uncertainty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import numpy as np

from client.experiment.report.blocks import minus

SEARCH = "size of "
"""How the setting of a search for equal size begins; after it comes the setting whose size it is."""
RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Measure:
    """A measure of quality, more being better."""

    column: str
    """Its column in the results."""
    title: str
    """Its name for readers."""
    form: str
    """Format of its numbers."""
    unit: str = ""
    """Its unit, with a space before it."""

    @property
    def titled(self) -> str:
        """Its name with the unit."""
        return f"{self.title} ({self.unit.strip()})" if self.unit else self.title

    def difference(self, value: float) -> str:
        """Returns a difference of two values for readers."""
        return minus(f"{value:+{self.form}}{self.unit}")


MEASURES = (
    Measure("ssimulacra2", "SSIMULACRA2", ".1f"),
    Measure("ssim", "SSIM", ".4f"),
    Measure("psnr_rgb_db", "PSNR", ".2f", " dB"),
    Measure("psnr_y_db", "PSNR of luma", ".2f", " dB"),
    Measure("ms_ssim", "MS-SSIM", ".4f"),
)
"""In the order in which they decide: the closest to what people see first."""


def covered(panels: Sequence[Sequence[str]]) -> list[Measure]:
    """Returns the measures that panels have, by their columns; those that most have first."""
    counts = {one: sum(one.column in panel for panel in panels) for one in MEASURES}
    return [one for one in sorted(MEASURES, key=lambda one: -counts[one]) if counts[one]]


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval."""

    mean: float
    """The mean."""
    low: float | None
    """Lower end; None for fewer than two values."""
    high: float | None
    """Upper end."""
    count: int
    """Number of values."""

    @property
    def is_clear(self) -> bool:
        """Tells whether the interval leaves zero out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def bootstrap(values: Sequence[float]) -> Interval:
    """Returns the mean of at least one value with its 95 % percentile bootstrap interval.

    The same values give the same interval.
    """
    array = np.asarray(values, np.float64)
    mean = float(array.mean())
    if array.size < 2 or np.ptp(array) == 0:
        same = mean if array.size > 1 else None
        return Interval(mean, same, same, array.size)
    stats = cast("Any", import_module("scipy.stats"))  # by name: it has no types
    found = stats.bootstrap(
        (array,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        batch=max(1, 2_000_000 // array.size),
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high), array.size)


class Families:
    """The curves that settings are points of, each with a colour of its own in all charts of a report."""

    def __init__(self, settings: Iterable[tuple[str, str]]) -> None:
        """Takes codecs and settings in the plan's order.

        >>> families = Families([("dct", "threshold=0.01"), ("dct", "quality=75"), ("jpeg", "quality=85")])
        >>> families.name("dct", "quality=75"), families.name("jpeg", "quality=85")
        ('dct quality', 'jpeg')
        """
        keys = {(codec, setting): _key(codec, setting) for codec, setting in settings}
        kinds = list(dict.fromkeys(keys.values()))
        self._names: dict[tuple[str, str], str] = {}
        for (codec, setting), key in keys.items():
            others = [kind for kind in kinds if kind[0] == codec and kind != key]
            told = [part for part in key[1:] if any(part not in other for other in others)]
            self._names[codec, setting] = " ".join([codec, *told])
        self._hues = {name: hue for hue, name in enumerate(dict.fromkeys(self._names.values()))}

    def name(self, codec: str, setting: str) -> str:
        """Returns the name of the curve: its codec, and what tells it from others of the same codec."""
        return self._names[codec, setting]

    def hue(self, name: str) -> int:
        """Returns the number of the colour of a curve, or of a codec, which is that of its first curve."""
        return next(
            (hue for own, hue in self._hues.items() if name in (own, own.split()[0])), len(self._hues)
        )

    def first(self, codec: str) -> str | None:
        """Returns the name of a codec's first curve, None when it has none."""
        return next((name for name in self._hues if name.split()[0] == codec), None)


def is_swept(setting: str) -> bool:
    """Tells whether a setting has a number that a sweep may change."""
    return any(map(_is_number, _options(setting)))


def _key(codec: str, setting: str) -> tuple[str, ...]:
    return (codec, *(part.split("=")[0] if _is_number(part) else part for part in _options(setting)))


def _options(setting: str) -> list[str]:
    return [] if setting.startswith(SEARCH) else [part for part in setting.split() if "=" in part]


def _is_number(option: str) -> bool:
    try:
        float(option.partition("=")[2])
    except ValueError:
        return False
    return True

"""Metrics that one thread keeps; without locks they cost a third of what prometheus_client's own do."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from math import inf

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString  # pyright: ignore[reportUnknownVariableType]


class Tally:
    """A sum for each combination of labels."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        """Takes the metric's name without "_total", what it tells, and the names of its labels."""
        self._description = name, documentation, labels
        self._sums = defaultdict[tuple[str, ...], float](float)

    def add(self, *labels: str, amount: float = 1) -> None:
        """Adds to the sum of these labels' values."""
        self._sums[labels] += amount

    def collect(self) -> CounterMetricFamily:
        """Returns the metric as it is now; on any thread."""
        name, documentation, labels = self._description
        family = CounterMetricFamily(name, documentation, labels=labels)
        for values, total in self._sums.copy().items():
            family.add_metric(values, total)
        return family


class Distribution:
    """A histogram for each value of one label."""

    def __init__(self, name: str, documentation: str, label: str, buckets: Sequence[float]) -> None:
        """Takes the metric's name, what it tells, the label's name, and the buckets' upper bounds, rising."""
        self._description = name, documentation, (label,)
        self._bounds = (*buckets, inf)
        self._counts = defaultdict[str, list[int]](lambda: [0] * len(self._bounds))
        self._sums = defaultdict[str, float](float)

    def observe(self, label: str, value: float) -> None:
        """Counts a value in the first bucket that is not below it."""
        self._counts[label][bisect_left(self._bounds, value)] += 1
        self._sums[label] += value

    def collect(self) -> HistogramMetricFamily:
        """Returns the metric as it is now; on any thread."""
        name, documentation, labels = self._description
        family = HistogramMetricFamily(name, documentation, labels=labels)
        for label, counts in self._counts.copy().items():
            upto = [(floatToGoString(bound), sum(counts[: i + 1])) for i, bound in enumerate(self._bounds)]
            family.add_metric([label], upto, self._sums.get(label, 0.0))
        return family

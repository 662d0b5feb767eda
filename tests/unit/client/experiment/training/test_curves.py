"""Loss curves and bars as SVG."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from client.experiment.training.bars import draw_times
from client.experiment.training.curves import draw_losses
from client.experiment.training.record import LossRows, read_study
from tests.helpers.studies import write_study

losses = st.floats(-1e6, 1e6, allow_nan=False)


def points(svg: str) -> list[tuple[float, float]]:
    """Returns the points of the four curves."""
    paths = [path.attrib["d"] for path in ET.fromstring(svg).iter("path") if path.attrib["class"] != "grid"]
    assert len(paths) == 4
    numbers = [float(number) for path in paths for number in re.findall(r"-?[\d.]+", path)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


@given(st.lists(st.tuples(losses, losses), min_size=2, max_size=60))
def test_curves_stay_in_the_plot(pairs: list[tuple[float, float]]) -> None:
    """Whatever the losses are, the drawing is whole and every point lies inside of its axes."""
    rows = LossRows([float(i) for i in range(len(pairs))], *map(list, zip(*pairs, strict=True)))
    svg = draw_losses(rows, "title")
    assert svg
    assert all(40 <= x <= 392 and 8 <= y <= 176 for x, y in points(svg))


def test_long_runs_are_drawn_by_means() -> None:
    """A curve has a bounded number of points, and ends where the run does."""
    epochs = [i / 100 for i in range(10_001)]
    svg = draw_losses(LossRows(epochs, [1.0] * 10_001, [2.0] * 10_001), "")
    assert svg
    assert len(points(svg)) <= 4 * 400
    assert max(x for x, _ in points(svg)) == 392


def test_too_few_rows_make_no_curve() -> None:
    """A run that has just begun has nothing to show."""
    assert draw_losses(LossRows([1.0], [1.0], [1.0]), "") is None


def test_bars_are_in_proportion(tmp_path: Path) -> None:
    """Two bars a run that can be compared: ours half as long where we are twice as fast."""
    runs = read_study(write_study(tmp_path / "study")).runs
    svg = draw_times(runs)
    assert svg
    bars = [float(bar.attrib["width"]) for bar in ET.fromstring(svg).iter("rect")]
    assert len(bars) == 14
    assert all(abs(ours - theirs / 2) < 0.1 for theirs, ours in zip(bars[::2], bars[1::2], strict=True))
    assert draw_times(runs[-1:]) is None

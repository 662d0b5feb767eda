"""Rate-distortion charts."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from client.experiment.chart import draw_charts
from client.experiment.summary import Line, Means

SVG = "{http://www.w3.org/2000/svg}"


def means(rate: float, psnr_db: float) -> Means:
    """Returns means with this rate and PSNR."""
    return Means(1, 100, 50, rate, psnr_db, 0.9)


def line(codec: str, setting: str, generated: Means | None, real: Means | None = None) -> Line:
    """Returns a line of a summary."""
    return Line(codec, "pillow", setting, generated, real)


def marks(svg: str) -> list[tuple[float, float]]:
    """Returns where the points lie; those of the legend have no title."""
    found: list[tuple[float, float]] = []
    for path in ET.fromstring(svg).iter(f"{SVG}path"):
        if path.find(f"{SVG}title") is not None:
            x, y = re.findall(r"[\d.-]+", path.attrib["transform"])
            found.append((float(x), float(y)))
    return found


def test_without_loss_there_is_no_chart() -> None:
    """Exact results have no place on a scale of decibels."""
    assert draw_charts([]) == {}
    assert draw_charts([line("png", "lossless", means(20, math.inf)), line("jpeg", "quality=5", None)]) == {}


@given(st.lists(st.tuples(st.floats(0.001, 200), st.floats(-10, 99), st.booleans()), min_size=1, max_size=12))
def test_every_point_lies_on_the_plot(points: list[tuple[float, float, bool]]) -> None:
    """Whatever was measured, each result is drawn inside the axes, and the SVG is well-formed."""
    lines = [
        line("jpeg", f"quality={number}", means(rate, psnr_db), means(rate, psnr_db) if has_real else None)
        for number, (rate, psnr_db, has_real) in enumerate(points)
    ]
    charts = draw_charts(lines)
    assert len(marks(charts["generated"])) == len(points)
    assert len(marks(charts["real"])) if "real" in charts else not any(real for *_, real in points)
    for svg in charts.values():
        assert all(51.9 <= x <= 546.1 and 13.9 <= y <= 272.1 for x, y in marks(svg))


def test_charts_can_be_compared() -> None:
    """A point with the same numbers has the same place and colour for both sources."""
    same = means(2, 35)
    lines = [
        line("dct", "threshold=0.01", means(8, 50)),
        line("jpeg", "quality=50", same, same),
        line("jpeg", "quality=90", means(4, 40), means(16, 45)),
    ]
    charts = draw_charts(lines)
    assert set(marks(charts["generated"])) & set(marks(charts["real"])) == {marks(charts["real"])[0]}
    assert 'class="c0"' not in charts["real"]
    assert 'class="c1"' in charts["real"]


def test_names_are_escaped() -> None:
    """What a server calls its codecs cannot become markup."""
    svg = draw_charts([line("<b>&", "x=<1>", means(1, 30))])["generated"]
    assert "&lt;b&gt;&amp;" in "".join(re.findall("<text.*?</text>", svg))
    ET.fromstring(svg)

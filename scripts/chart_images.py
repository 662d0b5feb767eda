"""Saves the charts of a report as pictures for the documentation, drawn by the system's Chromium.

python scripts/chart_images.py results/report.html docs/images/study
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH_PX = 1180


def main(report: Path, prefix: str) -> None:
    """Writes PREFIX-<chart>.png for every chart of the report."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("there is no chromium: install it, on Debian by apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH_PX, "height": 900}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        # What is for hands has no place in a picture.
        hidden = "label, .reading, .chart > figcaption { display: none !important }"
        rows = ".panels:has(> :nth-child(3)) { grid-template-columns: repeat(3, 1fr) !important }"
        page.add_style_tag(content=hidden + rows)
        page.wait_for_timeout(500)  # the charts are drawn anew
        for chart in page.locator("figure.chart").all():
            name = (chart.get_attribute("id") or "").removeprefix("chart-")
            chart.screenshot(path=f"{prefix}-{name}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

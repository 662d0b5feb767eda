"""The report as Markdown and as HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from client.experiment.chart import draw_charts
from client.experiment.markdown import to_markdown
from client.experiment.page import to_html
from client.experiment.pictures import Picture
from client.experiment.report import Report, write_report
from client.experiment.results import Row
from client.experiment.showcase import Strip, Thumbnail
from client.experiment.summary import summarize
from tests.helpers.images import png_file

VOID = {"meta", "img", "br", "path", "rect"}


class Checker(HTMLParser):
    """Reads a page: that its elements are closed, and what it refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opens an element."""
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID or tag == "path":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Takes an element without content."""

    def handle_endtag(self, tag: str) -> None:
        """Closes an element, which must be the last one opened."""
        assert self.open.pop() == tag


def row(source: str, codec: str, setting: str, **measured: Any) -> Row:
    """Returns a row; without measurements it is a failure."""
    technique = codec if codec in ("dct", "kmeans") else "pillow"
    names = {"source": source, "file": f"{source}.png", "codec": codec, "technique": technique}
    if not measured:
        return Row(**names, setting=setting, error="no <image> | at all")
    return Row(**names, setting=setting, width_px=64, height_px=64, **measured)


def report(*, has_real: bool, size_px: int | None = None, strips: list[Strip] | None = None) -> Report:
    """Returns the report of a small experiment."""
    half = {"input_bytes": 4096, "output_bytes": 1024, "bits_per_pixel": 2.0, "psnr_db": 30.5, "ssim": 0.9}
    rows = [row("generated", "jpeg", "quality=85", **half), row("generated", "png", "lossless")]
    pictures = [Picture("generated", "generated.png", b"", "cars", "ab" * 32, "suv", 7)]
    if has_real:
        rows += [row("real", "jpeg", "quality=85", **(half | {"output_bytes": 5000}))]
        pictures += [Picture("real", "<real>|.png", b"")]
    lines = summarize(rows)
    return write_report(
        pictures=pictures,
        rows=rows,
        lines=lines,
        charts=draw_charts(lines),
        strips=strips or [],
        command="client experiment -n 1",
        version="1.2.3",
        size_px=size_px,
    )


def test_markdown_has_the_study_s_columns() -> None:
    """Generated stands beside real, and what the study measured beside both."""
    text = to_markdown(report(has_real=True))
    lines = text.splitlines()
    assert lines[0] == "# Experiment: 1 generated image and 1 real image, 2 settings"
    assert (
        "| Pillow | jpeg quality=85 | 4.00 | 1.00 | 75.00 % | 2.000 | 30.50 | 0.9000 "
        "| 4.00 | 4.88 | -22.07 % | 2.000 | 30.50 | 0.9000 |"
    ) in lines
    assert "| Pillow | jpeg quality=85 | real | 155.97 | 60.30 | 61.34 % | 75.00 % | -22.07 % |" in lines
    assert "| Pillow | jpeg quality=85 | generated | 60.82 | 56.04 | 7.86 % | 75.00 % | -22.07 % |" in lines
    assert "- generated.png, 1 of the settings (first png lossless): no \\<image\\> \\| at all" in lines
    assert "Generated images come as PNG" in text
    assert "A JPEG has already lost" in text
    assert "(chart-real.svg)" in text
    assert "\\<real\\>\\|.png" in text


def test_tables_are_rectangular() -> None:
    """Every row of a table has a cell for each column, with and without real images."""
    for has_real in (True, False):
        told = report(has_real=has_real)
        for table in (told.summary, told.study):
            assert table
            width = sum(span for _, span in table.groups)
            assert {len(table.head), *map(len, table.rows)} == {width}


def test_without_real_images_the_report_says_so() -> None:
    """Nobody takes missing real images for equal ones."""
    text = to_markdown(report(has_real=False))
    assert "No real images: name photographs with --images" in text
    assert "real: bpp" not in text


def test_resized_images_are_said_to_be() -> None:
    """A reader learns what became of the photographs before they were compressed."""
    text = to_markdown(report(has_real=True, size_px=64))
    assert "resized to 64x64" in text
    assert "A JPEG has already lost" not in text


def test_the_page_is_whole() -> None:
    """Every element is closed, nothing is loaded from elsewhere, and names are no markup."""
    thumbnail = Thumbnail("jpeg <85>", "12 bytes", png_file(8, 8), 8, 8)
    page = to_html(report(has_real=True, strips=[Strip("Real image <x>", [thumbnail])]))
    checker = Checker(page)
    assert checker.open == []
    assert len(checker.references) == 1
    assert checker.references[0].startswith("data:image/png;base64,")
    assert "url(" not in page
    assert "@import" not in page
    assert "jpeg &lt;85&gt;" in page
    assert "no &lt;image&gt; | at all" in page
    assert '<img src="data:' in page
    assert 'width="192" height="192"' in page
    assert "prefers-color-scheme" in page
    assert page.count("<svg") == 2

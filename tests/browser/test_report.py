"""The report in headless Chromium: what a reader sees and does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.helpers.cli import run_cli
from tests.helpers.reports import run_experiment, write_run

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, model_root: Path) -> Path:
    """The report of a small plan with a run."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))
        results = run_experiment(folder)
        made = run_cli("experiment", "report", results, "--run", write_run(folder / "a-run"))
    assert made.exit_code == 0, made.stderr
    return results / "report.html"


@pytest.fixture(scope="module")
def browser(report: Path) -> Iterator[Browser]:
    """Chromium of the system; after the report, which needs an event loop of its own."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with sync_playwright() as playwright:
        # Chromium as root, as in containers, has no sandbox.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=[(390, "dark"), (1440, "light")], ids=["phone, dark", "desk, light"])
def window(request: pytest.FixtureRequest) -> tuple[int, str]:
    """Width of the window in pixels, and colours of the system."""
    return request.param


@pytest.fixture
def page(browser: Browser, report: Path, window: tuple[int, str]) -> Iterator[Page]:
    """The report, opened from disk, offline; nothing may be written to the console."""
    width_px, theme = window
    context = browser.new_context(
        viewport={"width": width_px, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        offline=True,
        reduced_motion="reduce",
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.as_uri())
    page.wait_for_selector("figure.chart .controls select")
    yield page
    assert said == []
    context.close()


def luminance(page: Page, name: str) -> float:
    """Returns how light the body's colour of a name is, from 0 to 1."""
    colour = page.evaluate(f"getComputedStyle(document.body).{name}")
    return sum(float(part) for part in colour.removeprefix("rgb(").rstrip(")").split(",")) / (3 * 255)


def column(table: Locator, number: int) -> list[str]:
    """Returns the texts of a column."""
    # Not the inner text: a table that is far from the window is not laid out, and has none.
    return [text.strip() for text in table.locator(f"tbody tr td:nth-child({number})").all_text_contents()]


@pytest.mark.parametrize(
    "window", [(390, "light"), (390, "dark"), (1440, "light"), (1440, "dark")], indirect=True
)
def test_nothing_is_wider_than_the_window(page: Page, window: tuple[int, str]) -> None:
    """Tables scroll by themselves; the page does not, and it has the system's colours."""
    for panel in page.locator("figure.chart .panel:visible").all():
        panel.scroll_into_view_if_needed()
        panel.locator("svg").first.wait_for(state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") == window[0]
    is_dark = luminance(page, "color") > luminance(page, "backgroundColor")
    assert is_dark == (window[1] == "dark")


def test_colours_can_be_chosen(page: Page, window: tuple[int, str]) -> None:
    """Text and background change places between light and dark, and a choice outlives a reload."""
    other = "light" if window[1] == "dark" else "dark"
    page.locator(f".theme button[data-theme={other}]").click()
    assert (luminance(page, "color") > luminance(page, "backgroundColor")) == (other == "dark")
    page.reload()
    assert page.locator(".theme button[aria-pressed=true]").inner_text().lower() == other
    assert abs(luminance(page, "color") - luminance(page, "backgroundColor")) > 0.6


def test_tables_sort(page: Page) -> None:
    """A title sorts up, down, and back; numbers by value, what is missing last; by keyboard too."""
    table = page.locator("#table-settings table")
    before = column(table, 8)
    button = table.get_by_role("button", name="bits per pixel")
    button.click()
    rising = [float(text) for text in column(table, 8)]
    assert rising == sorted(rising)
    assert rising != [float(text) for text in before]
    button.press("Enter")
    assert [float(text) for text in column(table, 8)] == rising[::-1]
    button.press("Enter")
    assert column(table, 8) == before
    table.get_by_role("button", name="PSNR (dB)").click()
    assert column(table, 10)[-1] == "exact"


def test_the_slider_moves_the_border(page: Page) -> None:
    """Dragging over the image and the arrow keys show more or less of the compressed image."""
    viewer = page.locator(".viewer")
    viewer.scroll_into_view_if_needed()
    sheet = viewer.locator(".sheet")
    split = (
        "parseFloat(getComputedStyle(document.querySelector('.viewer .sheet')).getPropertyValue('--split'))"
    )
    assert page.evaluate(split) == 50
    # Waits until nothing moves: tables above take their room when the window comes near them.
    sheet.hover(position={"x": 100, "y": 10})
    box = sheet.bounding_box()
    assert box
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 5, box["y"] + 10, steps=3)
    page.mouse.up()
    assert page.evaluate(split) == pytest.approx(20, abs=1)
    shown = viewer.locator(".top-layer").evaluate("image => getComputedStyle(image).clipPath")
    assert float(shown.split()[-1].rstrip("%)")) == pytest.approx(20, abs=1)
    viewer.locator("input[type=range]").press("ArrowRight")
    assert page.evaluate(split) == pytest.approx(20.5, abs=1)


def test_zoom_and_views(page: Page) -> None:
    """Images zoom to pixels; two or three stand side by side; the difference is drawn, grey where none is."""
    viewer = page.locator(".viewer")
    viewer.get_by_label("Zoom").select_option("8")
    width_px = viewer.locator(".sheet img").first.evaluate("image => image.naturalWidth")
    assert viewer.locator(".sheet").evaluate("sheet => sheet.clientWidth") == 8 * width_px
    assert (
        viewer.locator(".sheet img").first.evaluate("i => getComputedStyle(i).imageRendering") == "pixelated"
    )
    viewer.get_by_role("button", name="Side by side").click()
    assert viewer.locator(".pane").count() == 2
    viewer.get_by_role("button", name="Difference").click()
    canvas = viewer.locator("canvas[data-drawn=true]")
    canvas.wait_for()
    pixels = canvas.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 < 3)"
    )
    assert 100 < sum(pixels) / len(pixels) < 156
    assert len(set(pixels)) > 10
    viewer.get_by_label("Amplified").select_option("1")
    assert "1×" in viewer.locator(".stage").last.inner_text()


def test_each_image_and_setting_can_be_chosen(page: Page) -> None:
    """Every picture in the viewer loads, with its codec and size below."""
    viewer = page.locator(".viewer")
    for number in range(viewer.get_by_label("Image").locator("option").count()):
        viewer.get_by_label("Image").select_option(index=number)
        settings = viewer.get_by_label("Compressed by")
        for name in settings.locator("option").all_inner_texts():
            settings.select_option(label=name)
            assert name in viewer.locator("figcaption").inner_text()
            assert viewer.locator("img").evaluate_all(
                "all => Promise.all(all.map(i => i.decode())).then(() => all.every(i => i.naturalWidth > 0))"
            )


def test_charts_tell_their_numbers(page: Page) -> None:
    """Pointing at a mark shows its setting and values; arrow keys do the same and say it in words."""
    panel = page.locator("#chart-rate-distortion .panel").first
    panel.scroll_into_view_if_needed()
    panel.locator("[aria-label=dot] path").first.hover()
    tip = panel.locator("[aria-label=tip] text")
    tip.wait_for()
    assert "bits per pixel" in (tip.text_content() or "")
    panel.focus()
    panel.press("ArrowRight")
    first = page.locator("#chart-rate-distortion .reading").inner_text()
    panel.press("ArrowRight")
    assert "quality=" in first
    assert page.locator("#chart-rate-distortion .reading").inner_text() != first


def test_charts_are_drawn_where_they_are_seen(page: Page) -> None:
    """What is far below the window is not drawn, and its room is kept: nothing moves when it is."""
    panels = page.locator("figure.chart .panel:visible")
    drawn = page.locator("figure.chart .panel svg")
    assert drawn.count() < panels.count()
    last = panels.last
    before = last.evaluate("panel => panel.clientHeight")
    last.scroll_into_view_if_needed()
    last.locator("svg").wait_for(state="attached")
    assert last.evaluate("panel => panel.clientHeight") == before


def test_the_legend_hides_curves_and_the_measure_changes(page: Page) -> None:
    """A codec goes and comes back; another measure is another axis."""
    chart = page.locator("#chart-rate-distortion")
    chart.scroll_into_view_if_needed()
    chart.locator("[aria-label=dot] path").first.wait_for()
    dots = chart.locator(".panel").first.locator("[aria-label=dot] path")
    assert dots.count() == 8
    chart.get_by_role("button", name="webp").click()
    assert dots.count() == 4
    chart.get_by_role("button", name="webp").click()
    assert dots.count() == 8
    chart.get_by_label("Show").select_option("psnr_rgb_db")
    assert "PSNR (dB)" in (chart.locator(".panel svg").first.text_content() or "")


def test_everything_is_reached_by_keyboard(page: Page) -> None:
    """Tab comes to each button, choice, slider, table and chart, and shows where it is."""
    controls = page.locator("a[href], button, select, input, .panel, .pane, .scroll, pre")
    found = controls.evaluate_all("all => all.filter(e => e.checkVisibility()).map(e => e.tabIndex)")
    assert len(found) > 40
    assert min(found) == 0
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"

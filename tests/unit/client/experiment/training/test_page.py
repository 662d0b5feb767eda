"""The page of a training study."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser
from pathlib import Path

from client.experiment.training import report
from client.experiment.training.page import to_html
from client.experiment.training.record import read_study
from tests.helpers.studies import study_record, write_study

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
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Takes an element without content."""

    def handle_endtag(self, tag: str) -> None:
        """Closes an element, which must be the last one opened."""
        assert self.open.pop() == tag


def test_the_page_is_whole(tmp_path: Path) -> None:
    """Everything is inside: every element closed, nothing loaded from elsewhere, names no markup."""
    folder = write_study(tmp_path / "study")
    page = to_html(folder, read_study(folder))
    checker = Checker(page)
    assert checker.open == []
    assert len(checker.references) == 2 * 7
    assert all(reference.startswith("data:image/webp;base64,") for reference in checker.references)
    assert page.count('<svg class="losses"') == 7
    assert page.count('<svg class="bars"') == 1
    assert "<h1>Training study: 7 of 8 runs</h1>" in page
    assert "a&amp;b" in page
    assert "training diverged at step 7 &lt;nan&gt;" in page
    assert "not measured: cas: it draws without labels" in page
    assert "prefers-color-scheme" in page


def test_a_study_that_has_just_begun(tmp_path: Path) -> None:
    """Without any file of a run there is a page still, with the study's figures."""
    folder = write_study(tmp_path / "study")
    for run in read_study(folder).runs:
        shutil.rmtree(folder / run.name, ignore_errors=True)
    shutil.rmtree(folder / "runs")
    page = to_html(folder, read_study(folder))
    assert Checker(page).open == []
    assert "2:42:00" in page
    assert "<img" not in page


def test_a_picture_that_is_none_is_left_out(tmp_path: Path) -> None:
    """One broken file does not cost the page."""
    folder = write_study(tmp_path / "study")
    (folder / "cars-train-dcgan/real.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    assert len(Checker(to_html(folder, read_study(folder))).references) == 13


def test_tables(tmp_path: Path) -> None:
    """Every row has a cell for each column; the study's figures stand beside ours."""
    study = read_study(write_study(tmp_path / "study"))
    times, losses = report.times(study.runs), report.losses(study.runs)
    ((features, quality),) = report.quality(study.runs)
    for table in (times, losses, quality):
        width = sum(span for _, span in table.groups)
        assert {len(table.head), *map(len, table.rows)} == {width}
    assert times.rows[0] == [
        "cars-train-dcgan", "8,000", "20", "0:52:00", "128", "4,000", "20", "50", "0:13:00", "256", "2.00",
        "0:26:00",
    ]  # fmt: skip
    assert times.rows[-1][8] == "planned"
    assert features == "lite0"
    assert quality.rows[0] == ["photographs, cars-train", "", "-0.001", "0.960"]
    assert quality.rows[1] == ["cars-train-dcgan", "3 x 1,000", "3.800 ± 0.020", "0.010"]


def test_several_seeds_get_a_mean(tmp_path: Path) -> None:
    """The runs of a model on one set are followed by mean and spread over the seeds; grids show seed 0."""
    record = study_record()
    first = record["runs"][0]
    figure = first["evaluation"]["figures"][0] | {"value": 4.2}
    second = first | {"name": "cars-train-dcgan-seed1", "seed": 1}
    second["files"] = {name: path.replace("dcgan", "dcgan-seed1") for name, path in first["files"].items()}
    second["evaluation"] = first["evaluation"] | {"figures": [figure]}
    folder = write_study(tmp_path / "study", runs=[first, second])
    study = read_study(folder)
    ((_, quality),) = report.quality(study.runs)
    assert quality.rows[-1] == ["cars-train-dcgan, mean", "2 seeds", "4.000 ± 0.283", ""]
    assert len(Checker(to_html(folder, study)).references) == 2

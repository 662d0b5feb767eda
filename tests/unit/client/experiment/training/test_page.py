"""The page of a training study."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from client.experiment.report.page import to_html
from client.experiment.training import report
from client.experiment.training.page import study_report
from client.experiment.training.record import read_study
from tests.helpers.pages import Checker
from tests.helpers.studies import study_record, write_study


def pictures(page: str) -> list[str]:
    """Returns what the page refers to as images."""
    return [reference for reference in Checker(page).references if reference.startswith("data:image/")]


def test_the_page_is_whole(tmp_path: Path) -> None:
    """Everything is inside: every element closed, nothing loaded from elsewhere, names no markup."""
    folder = write_study(tmp_path / "study")
    page = to_html(study_report(folder))
    checker = Checker(page)
    assert checker.open == []
    assert all(reference.startswith(("data:", "#")) for reference in checker.references)
    assert len(pictures(page)) == 2 * 7
    assert 'id="chart-losses-study"' in page
    assert 'id="chart-times"' in page
    assert "<h1>Training study: 7 of 8 runs</h1>" in page
    assert "a&amp;b" in page
    assert "training diverged at step 7 &lt;nan&gt;" in page
    assert "not measured: cas: it draws without labels" in page


def test_a_study_that_has_just_begun(tmp_path: Path) -> None:
    """Without any file of a run there is a page still, with the study's figures."""
    folder = write_study(tmp_path / "study")
    for run in read_study(folder).runs:
        shutil.rmtree(folder / run.name, ignore_errors=True)
    shutil.rmtree(folder / "runs")
    page = to_html(study_report(folder))
    assert Checker(page).open == []
    assert 'data-value="162.0"' in page
    assert "<img" not in page


def test_a_picture_that_is_none_is_left_out(tmp_path: Path) -> None:
    """One broken file does not cost the page."""
    folder = write_study(tmp_path / "study")
    (folder / "cars-train-dcgan/real.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    assert len(pictures(to_html(study_report(folder)))) == 13


def test_tables(tmp_path: Path) -> None:
    """Every row has a cell for each column; the study's figures stand beside ours."""
    study = read_study(write_study(tmp_path / "study"))
    times, losses = report.times(study.runs), report.losses(study.runs)
    (quality,) = report.quality(study.runs)
    for table in (times, losses, quality):
        assert {len(row) for row in table.rows} == {len(table.columns)}
    assert times.rows[0] == [
        "cars-train-dcgan", 8000, 20, 52, pytest.approx(128.2, abs=0.1),
        4000, 20, 50, 13, pytest.approx(256.4, abs=0.1),
        "finished", pytest.approx(2), pytest.approx(26),
    ]  # fmt: skip
    assert times.rows[-1][10] == "planned"
    assert quality.name == "quality_lite0"
    assert quality.rows[0] == ["photographs, cars-train", None, -0.001, None, 0.96, None]
    assert quality.rows[1] == ["cars-train-dcgan", "3 x 1,000", 3.8, 0.02, 0.01, None]


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
    (quality,) = report.quality(study.runs)
    mean = [pytest.approx(4.0), pytest.approx(0.283, abs=0.001), None, None]
    assert quality.rows[-1] == ["cars-train-dcgan, mean", "2 seeds", *mean]
    assert len(pictures(to_html(study_report(folder)))) == 2

"""`client experiment report` as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.helpers.cli import run_cli
from tests.helpers.pages import Checker
from tests.helpers.reports import run_experiment, write_run


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, model_root: Path) -> Path:
    """Results of a small plan."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))
        return run_experiment(tmp_path_factory.mktemp("experiment"))


def test_the_page_holds_everything(results: Path, tmp_path: Path) -> None:
    """One file has the verdict, curves, pictures, breakdowns, training, failures, and how to do it again."""
    result = run_cli("experiment", "report", results, "--run", write_run(tmp_path / "a-run"))
    assert result.exit_code == 0, result.stderr
    assert result.stderr == f"the report is {results}/report.html\n"
    page = (results / "report.html").read_text(encoding="utf-8")
    checker = Checker(page)
    assert checker.open == []
    assert all(reference.startswith(("data:", "#")) for reference in checker.references)
    parts = ["summary", "equal-size", "curves", "pictures", "settings", "changes", "labels", "training"]
    parts += ["failures", "reproduce"]
    assert [f'<section id="{name}"' in page for name in parts] == [True] * len(parts)
    assert "BD-rate" in page
    assert "a-run" in page
    assert json.loads((results / "manifest.json").read_text())["plan_digest"] in page
    assert len(page) < 2_000_000


def test_the_same_results_give_the_same_report(results: Path, tmp_path: Path) -> None:
    """A report has nothing in it that changes by itself, such as the time."""
    for name in ("a.html", "b.html"):
        assert run_cli("experiment", "report", results, "-o", tmp_path / name).exit_code == 0
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_tables_for_readers_and_programs(results: Path) -> None:
    """Markdown, CSV and JSON go to stdout and agree."""
    text = run_cli("experiment", "report", results, "--format", "md").stdout.decode()
    assert "## Every codec and setting" in text
    assert "```sh\nclient experiment run " in text
    rows = list(
        csv.DictReader(
            io.StringIO(run_cli("experiment", "report", results, "--format", "csv").stdout.decode())
        )
    )
    assert len(rows) == 2 * 10
    content = json.loads(run_cli("experiment", "report", results, "--format", "json").stdout)
    blocks = [block for section in content["sections"] for block in section["blocks"]]
    tables = {block["table"]: block["rows"] for block in blocks if "table" in block}
    assert [str(row["bits_per_pixel"]) for row in tables["settings"]] == [
        row["bits_per_pixel"] for row in rows
    ]
    assert {row["source"] for row in tables["labels"]} == {"drawn", "photos"}
    (failure,) = tables["failures"]
    assert (failure["image"], failure["image_count"]) == ("wide/broken.jpg", 1)


def test_verdicts_are_of_the_same_images(results: Path) -> None:
    """A difference at equal size is the mean over the images that both have, with an interval."""
    content = json.loads(run_cli("experiment", "report", results, "--format", "json").stdout)
    blocks = [block for section in content["sections"] for block in section["blocks"]]
    (table,) = (block["rows"] for block in blocks if block.get("table") == "equal_size")
    assert [(row["source"], row["codec"]) for row in table] == [
        ("drawn", "jpeg"), ("drawn", "webp"), ("photos", "jpeg"), ("photos", "webp"),
    ]  # fmt: skip
    for reference, webp in zip(table[::2], table[1::2], strict=True):
        assert webp["size_percent"] <= 100
        assert webp["images"] <= reference["images"]
        if webp["images"] == reference["images"]:
            assert webp["ssim_difference"] == pytest.approx(webp["ssim"] - reference["ssim"])
        assert webp["ssim_low"] <= webp["ssim_difference"] <= webp["ssim_high"]


def test_a_run_alone(tmp_path: Path) -> None:
    """A run of the trainer has a report of its own; a line that was cut short does not cost it."""
    folder = write_run(tmp_path / "a-run")
    result = run_cli("experiment", "report", folder)
    assert result.exit_code == 0, result.stderr
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert Checker(page).open == []
    assert page.count("data:image/webp;base64,") == 1
    assert "epoch 0005.9" in page


@pytest.mark.parametrize(
    ("files", "words", "message"),
    [
        ({}, (), "holds no results of an experiment: it has no manifest.json"),
        ({"manifest.json": "{"}, (), "manifest.json is not what this version of GanPress writes"),
        ({"study.json": "{"}, (), "study.json is damaged"),
        ({}, ("--open", "--format", "md"), "--open shows a page that is a file"),
    ],
)
def test_mistakes_are_one_line(
    files: dict[str, str], words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    """What cannot be reported is said in a sentence."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    result = run_cli("experiment", "report", tmp_path, *words)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert not (tmp_path / "report.html").exists()


def test_a_folder_that_is_no_run_is_refused(results: Path, tmp_path: Path) -> None:
    """--run wants what the trainer wrote."""
    result = run_cli("experiment", "report", results, "--run", tmp_path)
    assert result.exit_code == 1
    assert "is neither a training study (study.json) nor a run" in result.stderr

"""`client experiment` as a user runs it, with the real services."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest

from client.experiment.results import TIMINGS
from tests.helpers.cli import run_cli
from tests.helpers.images import jpeg_file, png_file

FILES = {"results.csv", "results.parquet", "report.md", "report.html"}
QUICK = ("--codec", "dct:threshold=0.02", "--codec", "jpeg:quality=50,85", "--codec", "png")


@pytest.fixture(autouse=True)
def _models(model_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANPRESS_GENERATOR_MODELS", str(model_root))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with four images and a text."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        (folder / f"photo-{number}.jpg").write_bytes(jpeg_file(40, 30, seed=number))
    (folder / "drawing.png").write_bytes(png_file(24, 32))
    (folder / "readme.txt").write_text("no image")
    return folder


def results(folder: Path) -> pd.DataFrame:
    """Reads the rows of an experiment."""
    return pd.read_csv(folder / "results.csv")


def test_generated_images_through_the_default_sweep(tmp_path: Path) -> None:
    """Two words are enough: every codec is tried, and files, table and messages come where they belong."""
    out = tmp_path / "new" / "experiment"
    result = run_cli("experiment", "--count", 2, "--label", "sedan", "--seed", 7, "-o", out)
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in out.iterdir()} == FILES | {"chart-generated.svg"}
    rows = results(out)
    assert set(rows["codec"]) == {
        "dct",
        "kmeans",
        "jpeg",
        "webp",
        "avif",
        "jpeg2000",
        "png",
        "tiff",
        "tga",
        "gif",
    }
    assert list(rows["seed"].unique()) == [7, 8]
    assert set(rows["label"]) == {"sedan"}
    assert rows["error"].isna().all()
    lossless = rows[rows["setting"] == "lossless"]
    assert (lossless["psnr_db"] == math.inf).all()
    assert (rows["raw_bytes"] == 16 * 16 * 3).all()
    assert result.stdout.decode().splitlines()[2].startswith("dct threshold=0.01")
    assert "report.html" in result.stderr
    assert "No real images" in (out / "report.md").read_text(encoding="utf-8")


def test_generated_beside_real(folder: Path, tmp_path: Path) -> None:
    """Rows tell the sources apart, and their numbers belong together."""
    out = tmp_path / "out"
    result = run_cli("experiment", "-n", 3, "--seed", 1, "--images", folder, *QUICK, "-o", out)
    assert result.exit_code == 0, result.stderr
    rows = results(out)
    assert list(rows["source"]) == ["generated"] * 12 + ["real"] * 12
    real = rows[rows["source"] == "real"]
    assert real["model"].isna().all()
    assert real["seed"].isna().all()
    assert (
        rows["reduction_percent"] - 100 * (1 - rows["output_bytes"] / rows["input_bytes"])
    ).abs().max() < 1e-9
    rates = 8 * rows["output_bytes"] / (rows["width_px"] * rows["height_px"])
    assert (rows["bits_per_pixel"] - rates).abs().max() < 1e-9
    for file, group in real.groupby("file"):
        assert set(group["input_bytes"]) == {Path(str(file)).stat().st_size}
    table = pyarrow.parquet.read_table(out / "results.parquet")
    assert table.num_rows == len(rows)
    arguments = json.loads(table.schema.metadata[b"ganpress:arguments"])
    assert (arguments["count"], arguments["images"]) == (3, [str(folder)])
    assert (out / "report.html").read_text(encoding="utf-8").count("<img") == 2 * 3


def test_the_same_arguments_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """Two runs differ in nothing but their timings, and the reports in nothing at all."""
    arguments = ("experiment", "-n", 2, "--images", folder, *QUICK)
    for name in ("a", "b"):
        assert run_cli(*arguments, "-o", tmp_path / name).exit_code == 0
    without_timings = [
        results(tmp_path / name).drop(columns=list(TIMINGS)).to_csv().encode() for name in ("a", "b")
    ]
    assert without_timings[0] == without_timings[1]
    for path in (tmp_path / "a").iterdir():
        if path.stem != "results":
            assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_real_images_are_resized(folder: Path, tmp_path: Path) -> None:
    """--size-px makes them as large as the generated ones, and PNG."""
    out = tmp_path / "out"
    run_cli("experiment", "-n", 4, "--images", folder, "--size-px", 16, "--codec", "png", "-o", out)
    rows = results(out)
    assert len(rows) == 8
    assert set(rows["width_px"]) == set(rows["height_px"]) == {16}


def test_failures_do_not_stop_the_rest(folder: Path, tmp_path: Path) -> None:
    """What cannot be read is recorded under every setting with its reason; one line and exit code 1 tell."""
    (folder / "broken.jpg").write_bytes(jpeg_file(seed=9)[:200])
    (folder / "empty.png").touch()
    out = tmp_path / "out"
    result = run_cli("experiment", "-n", 6, "--images", folder, *QUICK, "-o", out)
    assert result.exit_code == 1
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error:"))
    assert line.startswith(
        f"error: 8 of 48 results failed, first {folder}/broken.jpg with dct threshold=0.02: "
    )
    rows = results(out)
    failed = rows[rows["error"].notna()]
    assert set(failed["file"]) == {f"{folder}/broken.jpg", f"{folder}/empty.png"}
    assert failed["output_bytes"].isna().all()
    assert rows[rows["error"].isna()]["output_sha256"].notna().all()
    assert "the file is empty" in (out / "report.md").read_text(encoding="utf-8")


def test_all_may_fail_but_for_the_generated(tmp_path: Path) -> None:
    """With no readable real image the generated ones are still compared."""
    (tmp_path / "x.png").write_text("a text")
    result = run_cli("experiment", "-n", 1, "--images", tmp_path / "x.png", *QUICK, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert results(tmp_path / "out")["error"].notna().sum() == 4


def test_fewer_images_than_asked_are_announced(folder: Path, tmp_path: Path) -> None:
    """The user learns that the sources are not equally large."""
    result = run_cli(
        "experiment", "-n", 9, "--label", "suv", "--images", folder, "--codec", "tga", "-o", tmp_path / "out"
    )
    assert result.exit_code == 0
    assert "4 of the 9 real images: there are no more" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--count", 0], 2, "0 is not in the range x>=1"),
        (
            ["--label", "bus"],
            1,
            "error: no model has the label 'bus'; the labels are cars: coupe, sedan, suv",
        ),
        (["--model", "bikes"], 1, "error: there is no model 'bikes'; the models are cars"),
        (["--seed", -1], 1, "error: seed is -1: it must be a whole number from 0"),
        (["--codec", "bmp"], 1, "error: there is no codec 'bmp': the codecs are avif"),
        (["--codec", "dct:threshold=2"], 1, "error: dct option threshold takes above 0, below 1, not 2"),
        (["--codec", "dct:threshold"], 1, "error: --codec 'dct:threshold': 'threshold' is not OPTION=VALUE"),
        (["--images", "absent"], 1, "error: there is no file or folder 'absent'"),
        (["--images", "."], 1, "error: there are no images in what --images names (1 other files)"),
        (["--size-px", 0], 2, "0 is not in the range"),
        (["--output", "notes.txt"], 2, "Directory 'notes.txt' is a file"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[object], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake says what exists instead, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("no image")
    result = run_cli("experiment", "-n", 1, "-o", "out", *arguments)
    assert (result.exit_code, result.stdout) == (code, b"")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.data
def test_real_photographs_from_a_tar(shared_data: Path, tmp_path: Path) -> None:
    """Photographs of the archive go through in their own size; generated images stand beside them."""
    out = tmp_path / "out"
    result = run_cli(
        "experiment", "-n", 2, "--label", "suv", "--images", shared_data / "photos.tar", *QUICK, "-o", out
    )
    assert result.exit_code == 0, result.stderr
    real = results(out).query("source == 'real' and codec == 'jpeg'")
    assert len(real) == 4
    assert (real["width_px"] > 200).all()
    assert (real["psnr_db"] > 25).all()
    assert "the middle 192x192 pixels" in (out / "report.html").read_text(encoding="utf-8")

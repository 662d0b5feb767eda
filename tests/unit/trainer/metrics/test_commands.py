"""`ganpress-trainer sample` and `evaluate` as a user runs them, and what the export takes from them."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.trainer.conftest import TINY
from trainer import runs
from trainer.cli import main
from trainer.config import resolve
from trainer.data.dataset import data_record
from trainer.data.sets import PreparedSet

pytestmark = pytest.mark.training


def command(*args: str | Path) -> int:
    """Runs the trainer in this process and returns its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    code = ended.value.code
    return code if isinstance(code, int) else 0


@pytest.fixture(scope="module")
def run(drawn_set: PreparedSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps on the drawings."""
    folder = tmp_path_factory.mktemp("runs") / "drawings"
    data = drawn_set.split()
    runs.start(resolve("cgan", None, TINY | {"epochs": 0.1}), data, folder, data_record(data)).train()
    return folder


def test_sample(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder gets a file an image, a .png one picture with a row a label; a wrong label is one sentence."""
    assert command("sample", run, "--label", "disc", "-n", "3", "--out", tmp_path / "discs") == 0
    files = sorted((tmp_path / "discs").iterdir())
    assert [file.name for file in files] == [f"disc-0-0000{i}.png" for i in range(3)]
    assert Image.open(files[0]).size == (32, 32)
    assert command("sample", run, "-n", "4", "--out", tmp_path / "all.png") == 0
    assert Image.open(tmp_path / "all.png").size == (4 * 34 - 2, 2 * 34 - 2)
    assert "rows: disc, stripes" in capsys.readouterr().out
    assert command("sample", run, "--label", "bus", "--out", tmp_path / "x.png") == 1
    assert capsys.readouterr().err == "error: the generator knows no label 'bus'; it draws: disc, stripes\n"


def test_evaluate_and_export(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The figures are printed, kept in the run, put into the card, and refused for another step."""
    assert command("evaluate", run, "--features", "hog", "-n", "120", "--seeds", "2") == 0
    printed = capsys.readouterr()
    assert "kid_hog" in printed.out
    assert "at step 9, average weights, against drawings: 120 images a seed, 2 seeds" in printed.out
    assert (run / "neighbours.png").is_file()
    kept = json.loads((run / "evaluation.json").read_text())
    assert command("export", run, "--out", tmp_path / "models", "--name", "drawings") == 0
    card = json.loads((tmp_path / "models/drawings/1/card.json").read_text())
    metrics = {metric["name"]: metric for metric in card["metrics"]}
    for figure in kept["figures"]:
        assert metrics[figure["name"]].get("value", 0) == figure["value"]
    assert "120 generated images against 360 training images" in metrics["kid_hog"]["method"]
    assert "mean of seeds 0 to 1" in metrics["kid_hog"]["method"]

    kept["step"] = 8
    (run / "evaluation.json").write_text(json.dumps(kept))
    assert command("export", run, "--out", tmp_path / "models", "--name", "late") == 1
    assert (
        "was measured at step 8 (average weights), but the checkpoint is of step 9" in capsys.readouterr().err
    )
    assert not (tmp_path / "models/late").exists()


def test_evaluate_as_json(
    run: Path, drawn_set: PreparedSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json prints the record alone; raw weights are kept apart from the run's own figures."""
    before = {file.name for file in run.iterdir()}
    options = ["--features", "hog", "-n", "100", "--seeds", "1", "--json", "--weights", "raw"]
    assert command("evaluate", run, "--data", drawn_set.folder, "--out", tmp_path / "raw", *options) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["weights"] == "raw"
    assert printed == json.loads((tmp_path / "raw/evaluation.json").read_text())
    assert {file.name for file in run.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["{run}", "--weights", "raw"],
            "figures of raw weights are no part of the run: choose a folder by --out",
        ),
        (["{tmp}"], "is no run: say what to compare it with, by --data SET"),
        (["{run}", "--data", "{tmp}"], "holds no prepared set"),
        (["{run}", "--features", "vgg"], "there are no features 'vgg'; there are: lite0, lite2, hog"),
        (["{run}", "--inception-weights", "{tmp}/none.pth"], "error: "),
    ],
)
def test_mistakes(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """What cannot be evaluated is said in one line, with exit code 1."""
    assert command("evaluate", *(text.format(run=run, tmp=tmp_path) for text in arguments)) == 1
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1

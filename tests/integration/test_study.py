"""The training study as a user does it: the command, stopped and continued, then the page of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.cli import run_cli
from tests.helpers.photographs import write_blobs
from trainer.cli import main
from trainer.study.record import StudyRecord

TINY = """
generator_features = 4
discriminator_features = 4
z_dim = 8
batch_size = 10
checkpoint_every_steps = 1
device = "cpu"
tensorboard = false
"""


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command's arguments but for --out: raw cars and dogs with both splits, 20 images of each used."""
    root = tmp_path_factory.mktemp("photographs")
    counts = {"train/coupe": 12, "train/van": 12, "test/coupe": 12, "test/van": 12}
    cars = write_blobs(root / "cars", counts)
    dogs = write_blobs(root / "dogs", {"training_set/dogs": 24, "test_set/dogs": 24})
    (dogs / "training_set/dogs/_DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (root / "tiny.toml").write_text(TINY)
    options = {"--cars": cars, "--dogs": dogs, "--config": root / "tiny.toml", "--image-size-px": 32}
    options |= {"--epochs": 2, "--images": 20, "--features": "none"}
    return [str(word) for option in options.items() for word in option]


def trainer(*words: object) -> subprocess.CompletedProcess[str]:
    """Runs `ganpress-trainer study`."""
    command = [sys.executable, "-m", "trainer", "study", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.training
def test_from_the_command_to_the_page(arguments: list[str], tmp_path: Path) -> None:
    """All eight runs are done, over an interruption, each once; a page of them needs nothing else."""
    out = tmp_path / "study"
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer", "study", *arguments, "--out", str(out)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    second = out / "runs/cars-train-wgan-gp/checkpoint.pt"
    while process.poll() is None and not second.exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    early = run_cli("experiment", "report", out)
    assert early.exit_code == 0, early.stderr

    done = trainer(*arguments, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "cars-train-dcgan: done already" in done.stderr
    assert "run 8 of 8: dogs-test-wgan-gp, 20 images, batch 10" in done.stderr
    assert "dogs-test-wgan-gp" in done.stdout
    record = StudyRecord.model_validate_json((out / "study.json").read_text())
    assert [(run.status, run.images, run.steps) for run in record.runs] == [("finished", 20, 4)] * 8
    assert record.runs[-1].images_per_label == {"dog": 20}
    for run in record.runs:
        assert (out / run.files.real).is_file()
        assert (out / run.files.generated).is_file()
        assert (out / run.files.run / "samples").is_dir()

    shown = run_cli("experiment", "report", out)
    assert shown.exit_code == 0, shown.stderr
    assert shown.stderr == f"the report is {out}/report.html\n"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Training study: 8 runs" in page
    assert page.count("data:image/webp;base64,") == 16


def test_dry_run(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The runs and their times are told without a trace on the disk."""
    words = [*arguments, "--out", str(tmp_path / "study"), "--dry-run", "--only", "cars-train-dcgan"]
    with pytest.raises(SystemExit, match="0"):
        main(["study", *words])
    told = capsys.readouterr().out
    assert "cars-train-dcgan" in told
    assert "0:52:00" in told
    assert "1 run, about 0:" in told
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "cats-*"], "there is no run 'cats-*' in this study; there are: cars-train-dcgan"),
        (["--preset", "gan"], "preset 'gan' does not exist"),
        (["--features", "vgg"], "there are no features 'vgg'"),
        (["--epochs", "0"], "epochs is 0.0; it must be above 0"),
        (["--cars", "absent.tar"], "absent.tar does not exist"),
        (["--device", "tpu"], "device is 'tpu'"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake is answered before anything is trained."""
    with pytest.raises(SystemExit, match="1"):
        main(["study", *arguments, "--out", str(tmp_path / "study"), *words])
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "study/runs").exists()


def test_data_that_a_run_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without dogs the runs on dogs are named, and the way to leave them out."""
    with pytest.raises(SystemExit, match="1"):
        main(["study", "--cars", "cars.tar", "--out", str(tmp_path / "study")])
    assert "dogs-train-dcgan needs --dogs DATA; without it choose other runs, as by --only 'cars-*'" in (
        capsys.readouterr().err
    )

"""`ganpress-trainer` as a user runs it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainer.checkpoint import load, load_config
from trainer.cli import main

pytestmark = pytest.mark.training

TRAINER = [sys.executable, "-m", "trainer"]
FLAGS = [
    "--image-size-px", "32", "--z-dim", "8", "--generator-features", "4", "--discriminator-features", "4",
    "--batch-size", "4", "--device", "cpu", "--epochs", "1",
]  # fmt: skip


def run(*args: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the command and returns what it printed."""
    return subprocess.run([*TRAINER, *map(str, args)], env=env, capture_output=True, text=True, check=False)


def test_train_resume_export(photos: Path, tmp_path: Path) -> None:
    """A run is trained, resumed to a later end and exported; what was left out is said with its number."""
    done = run("train", photos, "--out", tmp_path / "run", *FLAGS)
    assert done.returncode == 0, done.stderr
    assert "photos: 20 of 25 files are images of 32 px, colour" in done.stderr
    assert re.search(r"not an image +. +2 . van/90.jpg", done.stderr)
    assert "trained to step 5 in 0:00:0" in done.stdout
    resumed = run("resume", tmp_path / "run", "--epochs", "2")
    assert resumed.returncode == 0, resumed.stderr
    assert "trained to step 10" in resumed.stdout
    assert load_config(tmp_path / "run").epochs == 2
    exported = run("export", tmp_path / "run", "--out", tmp_path / "models", "--name", "tiny")
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "models/tiny/1/card.json").is_file()


def test_compiling_without_a_compiler_is_refused(photos: Path, tmp_path: Path) -> None:
    """Without a compiler, as in the image, --compile is refused in a sentence, before the data is read."""
    flags = ("--out", tmp_path / "run", *FLAGS, "--compile")
    done = run("train", photos, *flags, env={**os.environ, "CXX": "no-such-compiler"})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "there is no no-such-compiler: install one, or leave compile out" in done.stderr
    assert not (tmp_path / "run").exists()


def test_ctrl_c_loses_nothing(photos: Path, tmp_path: Path) -> None:
    """Ctrl-C ends a run after its step with a checkpoint, from which it continues."""
    process = subprocess.Popen(
        [*TRAINER, "train", str(photos), "--out", str(tmp_path / "run"), *FLAGS[:-1], "1000"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    metrics = tmp_path / "run/metrics.jsonl"
    while process.poll() is None and not metrics.is_file():
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    stopped_at = int(re.findall(r"stopped at step (\d+); continue with: ganpress-trainer resume", stderr)[0])
    assert load(tmp_path / "run/checkpoint.pt")["step"] == stopped_at >= 10


def test_mistakes_are_one_line(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A user's mistake ends with one line on stderr and exit code 1."""
    (tmp_path / "used").mkdir()
    (tmp_path / "used/config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    cases = [
        (("train", photos, "--out", tmp_path / "r", "--epochs", "-1"), "epochs is -1.0; it must be above 0"),
        (("train", photos, "--out", tmp_path / "r", "--preset", "x"), "preset 'x' does not exist"),
        (("train", tmp_path / "empty", "--out", tmp_path / "r"), "no usable image was found"),
        (("train", photos, "--out", tmp_path / "used"), "already holds a run"),
        (
            (
                "train",
                photos,
                "--out",
                tmp_path / "r",
                "--batch-size",
                "4",
                "--init-from",
                tmp_path / "empty",
            ),
            "has no checkpoint yet",
        ),
        (
            ("train", photos, "--out", tmp_path / "r", "--batch-size", "21"),
            "batch_size is 21, but there are only 20 images to train on",
        ),
        (("resume", tmp_path / "empty"), "holds no run"),
        (("export", tmp_path / "empty", "--out", tmp_path / "m", "--name", "x"), "holds no run"),
    ]
    for args, message in cases:
        with pytest.raises(SystemExit, match="1"):
            main(list(map(str, args)))
        assert message in capsys.readouterr().err.splitlines()[-1]

"""`ganpress-trainer prepare` as a user runs it."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from trainer.cli import main
from trainer.data.sets import open_set


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Runs the command in this process; returns its exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as exit_:
        main([*map(str, arguments)])
    output = capsys.readouterr()
    return int(exit_.value.code or 0), output.out, output.err


def test_prepare_and_verify(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table says what was taken and what was left out; the set verifies until a byte changes."""
    folder = tmp_path / "set"
    options = ("--size-px", "32", "--grey", "--unlabelled", "van/0[0-2].jpg", "--data-name", "my cars")
    code, out, err = run(capsys, "prepare", photos, "--out", folder, *options)
    assert (code, err) == (0, f"reading {photos}\n")
    lines = [line.replace("│", " ").split() for line in out.splitlines()]
    for expected in (["coupe", "12"], ["van", "5"], ["(unlabelled)", "3"], ["all", "20"]):
        assert expected in lines
    assert ["not", "an", "image", "2", "van/90.jpg"] in lines
    assert "my cars: 20 of 25 files are images of 32 px, grey" in out
    assert open_set(folder).info.options == {
        "unlabelled": ["van/0[0-2].jpg"], "name": "my cars",
    }  # fmt: skip
    code, out, _ = run(capsys, "prepare", folder, "--verify")
    assert (code, out.splitlines()[-1]) == (0, f"{folder} is whole")
    file = folder / "train.images.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    code, _, err = run(capsys, "prepare", folder, "--verify")
    assert code == 1
    assert err.startswith(f"error: {folder} is damaged: the digest")


def test_many_labels_are_summed_up(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many labels the largest are listed and the others summed up."""
    monkeypatch.setattr("trainer.commands.set_table.MAX_LABELS", 1)
    _, out, _ = run(capsys, "prepare", photos, "--out", tmp_path / "set", "--size-px", "32")
    lines = [line.replace("│", " ").split() for line in out.splitlines()]
    assert ["coupe", "12"] in lines
    assert ["1", "more", "labels", "8"] in lines


def test_mistakes_are_one_line(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every mistake ends with one line that names it, exit code 1, and no folder."""
    with tarfile.open(tmp_path / "whole.tar", "w") as tar:
        tar.add(photos, "photos")
    (tmp_path / "cut.tar").write_bytes((tmp_path / "whole.tar").read_bytes()[:9_000])
    (tmp_path / "labels.csv").write_text("file,label\nvan/00.jpg,coupe\nvan/01.jpg,van\n")
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ((photos, "--size-px", "48"), "size_px is 48; it must be 32, 64 or 128"),
        ((photos, "--test-share", "1"), "test_share is 1.0; it must be at least 0 and below 1"),
        ((photos, "--label-map", tmp_path / "no.json"), f"{tmp_path / 'no.json'}: No such file or directory"),
        ((photos, "--label-file", tmp_path / "labels.csv"), "disagrees with the folders about 1 of 2 images"),
        ((photos, "--label", "x", "--label-map", "y"), "leave out label_file and label_map"),
        ((tmp_path / "empty",), "no usable image was found"),
        ((tmp_path / "cut.tar",), "is damaged or cut off after"),
        ((tmp_path / "nowhere",), "nowhere does not exist"),
        (("http://127.0.0.1:9/x.tar",), "cannot be read"),
    ):
        code, _, err = run(capsys, "prepare", *arguments, "--out", tmp_path / "out/set")
        assert code == 1, arguments
        assert err.splitlines()[-1].startswith("error: ")
        assert message in err.splitlines()[-1]
        assert list((tmp_path / "out").glob("*")) == []


def test_a_folder_that_cannot_be_written_is_one_line(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the operating system refuses is named with its reason."""
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, "prepare", photos, "--out", tmp_path / "file/set", "--size-px", "32")
    assert code == 1
    assert err.splitlines()[-1].startswith(f"error: {tmp_path / 'file'}: ")


def test_preparing_needs_no_pytorch(photos: Path, tmp_path: Path) -> None:
    """A set can be prepared where there is no PyTorch."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from trainer.cli import main\n"
        f"main(['prepare', {str(photos)!r}, '--out', {str(tmp_path / 'set')!r}, '--size-px', '32'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

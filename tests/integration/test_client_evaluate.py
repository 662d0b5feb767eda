"""`client evaluate`: pairs of images, of folders, tars and archives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.cli import make_tar, run_cli
from tests.helpers.images import jpeg_file, png_file

BIG, SMALL = png_file(200, 180), png_file(24, 16)


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    """A folder with a tree of three images."""
    folder = tmp_path / "originals"
    for name, data in {"a.png": BIG, "b/c.png": SMALL, "b/d.jpg": jpeg_file(40, 32)}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def lines_of(stdout: bytes) -> list[dict[str, object]]:
    """Returns JSON lines."""
    return [json.loads(line) for line in stdout.splitlines()]


def test_one_pair(originals: Path, tmp_path: Path) -> None:
    """Two files are a pair whatever their names; all metrics are told, those that a size has not are null."""
    small = tmp_path / "other.jpg"
    stats = json.loads(run_cli("compress", originals / "a.png", "-m", "jpeg", "--json", "-o", small).stdout)
    (line,) = lines_of(run_cli("evaluate", originals / "a.png", small, "--json").stdout)
    assert line["psnr_db"] == pytest.approx(stats["psnr_db"])
    assert line["ssim"] == pytest.approx(stats["ssim"])
    assert line["result_bytes"] == small.stat().st_size
    assert all(isinstance(line[name], float) for name in ("psnr_y_db", "ms_ssim", "ssimulacra2"))
    (tiny,) = lines_of(run_cli("evaluate", originals / "b/c.png", originals / "b/c.png", "--json").stdout)
    assert [tiny[name] for name in ("is_identical", "psnr_db", "ssim", "ms_ssim", "ssimulacra2")] == [
        True, None, 1, None, None,
    ]  # fmt: skip
    text = run_cli("evaluate", originals / "a.png", small).stdout.decode()
    assert text.startswith(f"{small}: 200x180, jpeg of ")
    assert all(name in text for name in ("PSNR ", "PSNR-Y ", "SSIM ", "MS-SSIM ", "SSIMULACRA2 "))


@pytest.mark.parametrize("form", ["folder", "tar", "archive"])
def test_many_pairs(originals: Path, tmp_path: Path, form: str) -> None:
    """Folders, tars and archives are paired by path without extension, in any order."""
    small = run_cli("compress", originals, "-m", "dct", "--no-metrics").stdout
    if form == "folder":
        run_cli("compress", originals, "-m", "dct", "--no-metrics", "-o", f"{tmp_path}/small/")
        place = tmp_path / "small"
    else:
        place = tmp_path / ("small.tar" if form == "tar" else "small.gpa")
        place.write_bytes(small if form == "tar" else run_cli("archive", "create", "-", stdin=small).stdout)
    result = run_cli("evaluate", originals, place, "--json")
    *lines, last = lines_of(result.stdout)
    assert result.exit_code == 0
    assert [Path(str(line["original"])).name for line in lines] == ["a.png", "c.png", "d.jpg"]
    assert last["summary"]["done"] == 3
    assert last["summary"]["mean"]["psnr_db"] > 25
    assert run_cli("evaluate", originals, place, "-q").stdout.decode().startswith("3 pairs, ")


def test_what_has_no_partner_or_another_size_is_named(originals: Path, tmp_path: Path) -> None:
    """The others are measured, each failure is named, in the JSON as well, and the exit code is 1."""
    others = {"a.png": png_file(10, 10), "b/c.png": SMALL, "x.png": SMALL, "b/d.png": b"cut"}
    (tmp_path / "others.tar").write_bytes(make_tar(others))
    result = run_cli("evaluate", originals, tmp_path / "others.tar", "--json")
    lines = lines_of(result.stdout)
    assert result.exit_code == 1
    assert {line["name"] for line in lines if "error" in line} == {"a.png", "b/d.png", "x.png"}
    assert lines[-1]["summary"]["done"] == 1
    assert "error: x.png: there is no 'x' in the first input" in result.stderr
    single = run_cli("evaluate", originals, originals / "a.png")
    assert (single.exit_code, "one is an image, the other holds several" in single.stderr) == (1, True)
    sizes = run_cli("evaluate", originals / "a.png", originals / "b/c.png")
    assert (sizes.exit_code, len(sizes.stderr.splitlines())) == (1, 1)
    assert "200 x 180" in sizes.stderr
    assert "24 x 16" in sizes.stderr

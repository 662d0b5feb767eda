"""Goals on the command line, and all codecs compared at one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.cli import make_tar, run_cli
from tests.helpers.images import image_file, png_file, smooth_image

PHOTO = png_file(160, 140)


def test_a_size_is_kept_and_a_quality_reached(tmp_path: Path) -> None:
    """The file is not above the size, or not below the quality, and the sidecar says how it was found."""
    command = ("compress", "-m", "webp", "-o", f"{tmp_path}/out/", "--force", "--json")
    tar = make_tar({"a.png": PHOTO})
    small, _ = map(json.loads, run_cli(*command, "--target-bytes", "1.5KB", stdin=tar).stdout.splitlines())
    assert small["output_bytes"] <= 1536
    assert small["goal"]["reached"] == small["output_bytes"]
    assert (small["goal"]["setting"], small["goal"]["encodes"] <= 9) == ("quality", True)
    assert small["asked"]["target_bytes"] == 1536
    good, _ = map(json.loads, run_cli(*command, "--target-psnr", 36, stdin=tar).stdout.splitlines())
    assert good["psnr_db"] >= 36
    assert json.loads((tmp_path / "out/a.json").read_text())["compression"]["asked"]["target_psnr_db"] == 36


def test_auto_keeps_the_best_and_tells_of_the_others() -> None:
    """The smallest file of the codecs tried is kept; each has its line in the record."""
    result = run_cli(
        *("compress", "--codec", "auto", "-p", "codecs=webp,jpeg", "--target-psnr", 33, "--json"), stdin=PHOTO
    )
    record = json.loads(result.stderr.splitlines()[-1])
    sizes = {entry["codec"]: entry["output_bytes"] for entry in record["goal"]["candidates"]}
    assert (sizes.keys(), record["output_bytes"]) == ({"webp", "jpeg"}, min(sizes.values()))
    assert record["codec"] == min(sizes, key=sizes.__getitem__)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--target-bytes 0", "target_bytes takes a whole number of at least 1, not 0"),
        ("--target-bpp -1", "target_bpp takes a number above 0, not -1.0"),
        ("--target-bpp nan", "target_bpp takes a number above 0, not nan"),
        ("--target-psnr 101", "target_psnr_db takes above 0, at most 100, not 101.0"),
        ("--target-ssim 2", "target_ssim takes above 0, at most 1, not 2.0"),
        ("--target-ssimulacra2 200", "target_ssimulacra2 takes a number of at most 100, not 200.0"),
        ("--target-bpp 1 --target-ssim 0.9", "one goal at a time, not target_bpp and target_ssim"),
        ("--codec auto", "auto needs a goal"),
        ("--codec webp --quality 50 --target-bpp 1", "webp option quality and a goal exclude each other"),
        ("--codec seed --target-bpp 1", "the seed codec keeps the image that was generated"),
        ("--codec repack --target-bpp 1", "repack takes no goal"),
        ("--codec dct --target-bytes 20", "dct cannot reach 20 bytes with this image: the closest is"),
        ("--codec jpeg --target-psnr 99", "jpeg cannot reach a PSNR of 99.00 dB"),
        ("--codec png --metadata drop", "'drop' is not one of"),
        ("--target-bytes much", "'much' is no number of bytes, such as 60600, 60KB or 1.5MB"),
    ],
)
def test_wrong_goals_are_a_sentence(arguments: str, message: str, tmp_path: Path) -> None:
    """A goal out of range, of the wrong codec or out of reach says what is accepted, and writes nothing."""
    result = run_cli("compress", *arguments.split(), "-o", tmp_path / "x", stdin=PHOTO)
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.stderr.split())
    assert not list(tmp_path.iterdir())


def test_all_codecs_at_equal_size(tmp_path: Path) -> None:
    """No file is above the size, the best comes first, and the page holds every picture of the table."""
    photo = tmp_path / "<script>.png"
    photo.write_bytes(PHOTO)
    codecs = ("--codec", "jpeg", "--codec", "webp", "--codec", "jpeg2000")
    page = tmp_path / "page.html"
    result = run_cli("compare", photo, *codecs, "--target-bytes", 2000, "--html", page, "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert (result.exit_code, {line["codec"] for line in lines}) == (0, {"jpeg", "webp", "jpeg2000"})
    assert all(line["output_bytes"] <= 2000 for line in lines)
    scores = [line["ssimulacra2"] for line in lines]
    assert scores == sorted(scores, reverse=True)
    html = page.read_text()
    assert html.count("data:image/") == 4
    assert (html.count("<script>"), "&lt;script&gt;.png" in html) == (1, True)
    assert "data:image/jp2" not in html
    again = run_cli("compare", photo, *codecs, "--target-bytes", 2000, "--html", page)
    assert (again.exit_code, "page.html exists: --force replaces it" in again.stderr) == (1, True)


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    """Codecs out of reach are named; when none reaches the goal, or there is not one image, that is one."""
    result = run_cli("compare", "-", "--codec", "jpeg", "--codec", "webp", "--target-bytes", 10, stdin=PHOTO)
    assert (result.exit_code, "jpeg: " in result.stderr, "webp: " in result.stderr) == (1, True, True)
    assert result.stderr.splitlines()[-1] == "error: no codec reaches the goal"
    for arguments, message in {
        ("-", "--codec", "png"): "codec 'png' cannot be compared",
        (str(tmp_path),): "holds several images",
        ("nowhere.png",): "there is no file or folder",
    }.items():
        result = run_cli("compare", *arguments, stdin=PHOTO)
        assert (result.exit_code, message in result.stderr) == (1, True)


def test_what_was_left_out_is_told(tmp_path: Path) -> None:
    """Metadata that goes is in the image's line, its record and the totals; with keep it goes along."""
    comment = image_file(
        smooth_image(30, 20),
        "JPEG",
        exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\x04\0\0\0abc\0\0\0\0\0",
    )
    tar = make_tar({"a.jpg": comment, "b.png": png_file(30, 20)})
    result = run_cli("compress", "-m", "webp", "-v", stdin=tar)
    assert "metadata dropped in 1" in result.stderr
    (tmp_path / "a.jpg").write_bytes(comment)
    kept = run_cli(
        "compress",
        tmp_path / "a.jpg",
        "-m",
        "webp",
        "--metadata",
        "keep",
        "-o",
        tmp_path / "a.webp",
        "--json",
    )
    assert json.loads(kept.stdout)["input"]["changes"] == []
    assert "exif" in json.loads(run_cli("inspect", "--json", tmp_path / "a.webp").stdout)["metadata"]

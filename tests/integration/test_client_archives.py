"""Archives on the command line: made, grown, listed, read, and damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.cli import make_tar, read_tar, run_cli
from tests.helpers.images import jpeg_file, png_file

PNG, JPEG, LARGE = png_file(24, 16), jpeg_file(40, 32), jpeg_file(200, 150)
FILES = {"a.jpg": JPEG, "a.json": b'{"label": "suv"}', "a.png": PNG, "b/c.PNG": PNG, "b/d.jpeg": LARGE}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """An archive of four images and a sidecar."""
    path = tmp_path / "made.gpa"
    assert run_cli("archive", "create", path, stdin=make_tar(FILES)).exit_code == 0
    return path


def test_what_goes_in_comes_out(made: Path, tmp_path: Path) -> None:
    """All files come out under their names with their bytes, as a tar, in a folder, or one alone."""
    assert read_tar(run_cli("archive", "extract", made).stdout) == FILES
    run_cli("archive", "extract", made, "b/*", "-o", f"{tmp_path}/out/")
    found = {str(p.relative_to(tmp_path / "out")): p.read_bytes() for p in tmp_path.glob("out/b/*")}
    assert found == {name: FILES[name] for name in ("b/c.PNG", "b/d.jpeg")}
    assert run_cli("archive", "extract", made, "a.png").stdout == PNG
    piped = run_cli("archive", "extract", "-", "a.png", stdin=made.read_bytes())
    assert piped.stdout == PNG


def test_an_archive_is_an_input_as_a_tar_is(made: Path, tmp_path: Path) -> None:
    """Compress, decompress and inspect take an archive; folders go through one and keep their tree."""
    small = run_cli("compress", made, "-m", "webp", "--no-metrics")
    assert list(read_tar(small.stdout)) == [
        "a.webp", "a.json", "a.png.webp", "a.png.json", "b/c.webp", "b/c.json", "b/d.webp", "b/d.json",
    ]  # fmt: skip
    packed = run_cli("archive", "create", "-", stdin=small.stdout)
    back = run_cli("decompress", stdin=packed.stdout)
    assert [name for name in read_tar(back.stdout) if name.endswith("png")] == [
        "a.png", "a.png.png", "b/c.png", "b/d.png",
    ]  # fmt: skip
    shown = run_cli("inspect", "--json", made)
    assert [json.loads(line)["name"] for line in shown.stdout.splitlines()] == [
        name for name in FILES if name != "a.json"
    ]


def test_lists_are_for_people_and_machines(made: Path) -> None:
    """Names, codecs and bytes, and the totals."""
    text = run_cli("archive", "list", made).stdout.decode()
    assert all(word in text for word in ("b/d.jpeg", "jpeg", "5 members"))
    *lines, last = map(json.loads, run_cli("archive", "list", made, "--json").stdout.splitlines())
    assert {line["name"]: line["bytes"] for line in lines} == {
        name: len(data) for name, data in FILES.items()
    }
    assert last["summary"]["archive_bytes"] == made.stat().st_size


def test_an_archive_grows(made: Path, tmp_path: Path) -> None:
    """New images are added; one of a name that is taken is refused, and replaced with --force."""
    (tmp_path / "e.png").write_bytes(PNG)
    (tmp_path / "a.png").write_bytes(png_file(8, 8))
    result = run_cli("archive", "append", made, tmp_path / "e.png", tmp_path / "a.png")
    assert result.exit_code == 1
    assert "the archive has 'a.png' already: --force puts this in its place" in result.stderr
    assert read_tar(run_cli("archive", "extract", made).stdout) == {**FILES, "e.png": PNG}
    assert run_cli("archive", "append", made, tmp_path / "a.png", "--force").exit_code == 0
    assert run_cli("archive", "extract", made, "a.png").stdout == png_file(8, 8)
    missing = run_cli("archive", "append", tmp_path / "no.gpa", tmp_path / "e.png")
    assert "there is no archive" in missing.stderr


def test_same_names_from_two_folders_are_both_kept(tmp_path: Path) -> None:
    """Two inputs with a file of one name are two members."""
    for name in ("x/a.png", "y/a.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(png_file(8, 8, seed=len(name)))
    run_cli("archive", "create", tmp_path / "z.gpa", tmp_path / "x/a.png", tmp_path / "y/a.png")
    assert list(read_tar(run_cli("archive", "extract", tmp_path / "z.gpa").stdout)) == ["a.png", "a.png.png"]


def test_damage_costs_one_member_and_is_told(made: Path, tmp_path: Path) -> None:
    """With one byte altered, the other members come out, the damage is named, and the exit code is 1."""
    data = bytearray(made.read_bytes())
    data[data.index(LARGE[-40:-20])] ^= 1
    made.write_bytes(data)
    for arguments in (("list", made), ("extract", made, "-o", f"{tmp_path}/out/")):
        result = run_cli("archive", *arguments)
        assert (result.exit_code, "damaged" in result.stderr) == (1, True)
    assert len([path for path in tmp_path.glob("out/**/*") if path.is_file()]) == 4
    compressed = run_cli("compress", made, "-m", "webp", "--no-metrics", "-o", f"{tmp_path}/small/")
    assert (compressed.exit_code, "damaged" in compressed.stderr) == (1, True)
    assert len(list(tmp_path.glob("small/**/*.webp"))) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "nowhere.gpa"), "there is no file or folder 'nowhere.gpa'"),
        (("list", "x.png"), "the file is no GanPress archive: it does not begin with 89 47 50 41"),
        (("append", "x.png", "x.png"), "no GanPress archive"),
        (("append", "s3://b/x.gpa", "x.png"), "s3://b/x.gpa: only an archive on this machine can grow"),
        (("extract", "new.gpa"), "the GanPress archive has version 9; this program reads version 1"),
        (("create", "x.png", "x.png"), "x.png is the input itself"),
        (("create", "new.gpa", "x.png"), "new.gpa exists: --force replaces it"),
        (("create", "y.gpa", "nowhere.png"), "there is no file or folder 'nowhere.png'"),
        (("extract", "one.gpa", "z.png"), "one.gpa has no member 'z.png'; it has 1"),
    ],
)
def test_mistakes_are_one_line(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be done is one sentence, and no file appears or changes."""
    monkeypatch.chdir(tmp_path)
    Path("x.png").write_bytes(PNG)
    run_cli("archive", "create", "one.gpa", "x.png")
    Path("new.gpa").write_bytes(b"\x89GPA\x09\0\0\0")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = run_cli("archive", *arguments)
    assert (result.exit_code, result.stdout) == (1, b"")
    assert (result.stderr.startswith("error: "), len(result.stderr.splitlines())) == (True, 1)
    assert message in result.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

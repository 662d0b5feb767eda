"""Files in, files out: patterns, URLs, trees, what exists, what is done already, full and locked places."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from tests.helpers.cli import make_tar, read_tar, run_cli
from tests.helpers.images import jpeg_file, png_file

PNG, JPEG = png_file(24, 16), jpeg_file(40, 32)
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
FAST = ("-m", "webp", "--no-metrics")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a tree of five images, a note and a hidden file."""
    folder = tmp_path / "photos"
    for name, data in {
        "a.png": PNG, "b/c.jpg": JPEG, "b/d/e.jpg": JPEG, "b/d/f.png": PNG, "g.jpg": JPEG,
        "note.txt": b"hello", ".hidden.png": PNG,
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Returns the files below a folder but for sidecars."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in sorted(found.items()) if not name.endswith(".json")}


def test_patterns_keep_the_tree(photos: Path, tmp_path: Path) -> None:
    """What a pattern matches lies in the output as below the pattern's first folder; nothing else does."""
    result = run_cli("compress", f"{photos}/**/*.jpg", *FAST, "-o", f"{tmp_path}/out/")
    assert (result.exit_code, list(tree(tmp_path / "out"))) == (0, ["b/c.webp", "b/d/e.webp", "g.webp"])
    nothing = run_cli("compress", f"{photos}/*.bmp", "-o", f"{tmp_path}/out/")
    assert (nothing.exit_code, nothing.stderr) == (1, f"error: no file matches '{photos}/*.bmp'\n")


def test_urls_are_read_and_written(photos: Path, tmp_path: Path) -> None:
    """A folder, a pattern, a tar and a file behind a URL give what local ones give."""
    memory = fsspec.filesystem("memory")
    memory.put(str(photos), "/in", recursive=True)
    run_cli("compress", photos, *FAST, "-o", f"{tmp_path}/local/")
    assert run_cli("compress", "memory://in", *FAST, "-o", "memory://out/").exit_code == 0
    names = list(tree(tmp_path / "local"))
    assert {name: memory.cat(f"/out/{name}") for name in names} == tree(tmp_path / "local")
    assert run_cli("compress", "memory://in/b/**/*.png", *FAST, "-o", f"{tmp_path}/png/").exit_code == 0
    assert list(tree(tmp_path / "png")) == ["d/f.webp"]
    assert run_cli("compress", f"file://{photos}/a.png", *FAST, "-o", "memory://one.webp").exit_code == 0
    assert memory.cat("/one.webp") == (tmp_path / "local/a.webp").read_bytes()
    assert run_cli("compress", "memory://in", *FAST, "-o", "memory://all.tar").exit_code == 0
    back = run_cli("decompress", "memory://all.tar")
    assert [name for name in read_tar(back.stdout) if name.endswith(".png")] == [
        "a.png", "g.png", "b/c.png", "b/d/e.png", "b/d/f.png",
    ]  # fmt: skip
    again = run_cli("compress", "memory://in/a.png", *FAST, "-o", "memory://one.webp")
    assert (again.exit_code, again.stderr) == (1, "error: memory://one.webp exists: --force replaces it\n")
    for url, words in {
        "memory://nowhere": "there is no file or folder 'memory://nowhere'",
        "nothing://x": "nothing://x cannot be opened: Protocol not known: nothing",
    }.items():
        result = run_cli("compress", url, "-o", f"{tmp_path}/x/")
        assert (result.exit_code, result.stderr) == (1, f"error: {words}\n")


def test_what_exists_is_not_replaced_unless_asked(photos: Path, tmp_path: Path) -> None:
    """An existing file is refused and keeps its bytes; the others are written; --force replaces it."""
    out = tmp_path / "out"
    (out / "b").mkdir(parents=True)
    (out / "a.webp").write_bytes(b"mine")
    (out / "b/c.json").write_bytes(b"mine, too")
    result = run_cli("compress", photos, *FAST, "--json", "-o", out)
    assert result.exit_code == 1
    assert [line for line in result.stderr.splitlines() if line.startswith("error: ")] == [
        f"error: {photos}/a.png: {out}/a.webp exists: --force replaces it",
        f"error: {photos}/b/c.jpg: {out}/b/c.json exists: --force replaces it",
        "error: 2 of 5 images failed, as named above",
    ]
    failed = [line["name"] for line in map(json.loads, result.stdout.splitlines()) if "error" in line]
    assert failed == [f"{photos}/a.png", f"{photos}/b/c.jpg"]
    assert list(tree(out)) == ["a.webp", "b/d/e.webp", "b/d/f.webp", "g.webp"]
    assert (out / "a.webp").read_bytes() == b"mine"
    for target in ("one.webp", "all.tar"):
        (tmp_path / target).write_bytes(b"mine")
        refused = run_cli("compress", photos / "a.png", *FAST, "-o", tmp_path / target)
        assert (refused.exit_code, refused.stderr.count("exists: --force replaces it")) == (1, 1)
        assert (tmp_path / target).read_bytes() == b"mine"
        assert run_cli("compress", photos / "a.png", *FAST, "--force", "-o", tmp_path / target).exit_code == 0
    assert run_cli("compress", photos, *FAST, "--force", "-o", out).exit_code == 0
    assert len(tree(out)) == 5


def test_a_run_goes_on_where_it_ended(photos: Path, tmp_path: Path) -> None:
    """--resume does what is missing, broken, or of other bytes or settings, and leaves the rest untouched."""
    out = tmp_path / "out"
    command = ("compress", photos, *FAST, "-o", f"{out}/", "--resume", "--json")
    assert run_cli(*command).exit_code == 0
    whole = tree(out)
    (out / "a.webp").unlink()
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.webp")}
    result = run_cli(*command)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["name"] for line in lines[:-1] if "done_before" not in line] == [f"{photos}/a.png"]
    assert (lines[-1]["summary"]["done"], lines[-1]["summary"]["done_before"]) == (1, 4)
    assert tree(out) == whole
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    (photos / "g.jpg").write_bytes(jpeg_file(20, 20))
    changed = run_cli(*command)
    assert changed.exit_code == 1
    assert "g.webp exists: --force replaces it" in changed.stderr
    assert run_cli(*command, "--force").exit_code == 0
    assert {name for name, data in tree(out).items() if data != whole[name]} == {"g.webp"}
    others = run_cli(*command, "--force", "--quality", 20)
    assert json.loads(others.stdout.splitlines()[-1])["summary"]["done_before"] == 0


def test_a_decompression_goes_on_where_it_ended(photos: Path, tmp_path: Path) -> None:
    """Images that are there are left out, unless their file is newer."""
    run_cli("compress", photos, *FAST, "-o", f"{tmp_path}/small/")
    command = ("decompress", tmp_path / "small", "-o", f"{tmp_path}/back/", "--resume")
    assert run_cli(*command).exit_code == 0
    (tmp_path / "back/a.png").unlink()
    result = run_cli(*command)
    assert (result.exit_code, "1 images decompressed, 4 done before" in result.stderr) == (0, True)
    os.utime(tmp_path / "small/g.webp", (2**32, 2**32))
    assert "g.png exists" in run_cli(*command).stderr


@pytest.mark.parametrize("output", [(), ("-o", "x.tar"), ("-o", "x.webp")])
def test_only_a_folder_can_be_resumed(output: tuple[str, ...]) -> None:
    """A tar or a file is whole or not there, so there is nothing to go on with."""
    result = run_cli("compress", "--resume", *output, stdin=make_tar({"a.png": PNG}))
    assert (result.exit_code, result.stdout) == (1, b"")
    assert "--resume needs a folder" in result.stderr


def limited(*arguments: object, bytes_max: int = resource.RLIM_INFINITY) -> tuple[int, str]:
    """Runs a command that cannot write files of more than `bytes_max`, and to whom permissions apply."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, bytes_max))
        # Root without CAP_DAC_OVERRIDE is a user as any other.
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)

    root = Path(__file__).parents[2]
    path = {"PYTHONPATH": os.pathsep.join([str(root), str(root / "protos")])}
    command = [sys.executable, "-c", "from client.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | path, capture_output=True, text=True, preexec_fn=limit, check=False
    )
    return done.returncode, done.stderr


def test_a_full_disk_ends_the_run_and_loses_nothing(photos: Path, tmp_path: Path) -> None:
    """What was written before stays whole, the file that did not fit is named, and no part of it is left."""
    (photos / "b/zz.png").write_bytes(png_file(300, 300))
    command = ("compress", photos, "-m", "png", "--no-metrics", "-o", f"{tmp_path}/out/")
    exit_code, stderr = limited(*command, bytes_max=20_000)
    assert exit_code == 1
    assert "3 images compressed" in stderr
    assert stderr.splitlines()[-1] == f"error: cannot write {tmp_path}/out/b/zz.png: File too large"
    assert list(tree(tmp_path / "out")) == ["a.png", "b/c.png", "g.png"]
    assert run_cli(*command, "--resume").exit_code == 0
    assert len(tree(tmp_path / "out")) == 6


@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_a_device_that_is_full_is_one_line(command: str) -> None:
    """A write that fails is a sentence with the place and the reason."""
    result = run_cli(command, "-o", "/dev/full", stdin=PNG)
    assert (result.exit_code, result.stderr) == (
        1,
        "error: cannot write /dev/full: No space left on device\n",
    )


def test_a_folder_that_is_read_only(photos: Path, tmp_path: Path) -> None:
    """A place without permission is one sentence, and what is there stays."""
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "keep.txt").write_text("mine")
    locked.chmod(0o555)
    for target in (locked / "x.webp", f"{locked}/", locked / "x.tar", f"{locked}/new/"):
        exit_code, stderr = limited("compress", photos / "a.png", *FAST, "-o", target)
        assert (exit_code, stderr.splitlines()[-1].endswith("Permission denied")) == (1, True), stderr
        assert stderr.splitlines()[-1].startswith("error: cannot write ")
    assert [path.name for path in locked.iterdir()] == ["keep.txt"]

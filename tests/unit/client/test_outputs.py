"""Where images go."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.errors import InputError
from client.outputs import Output, open_sink
from client.writing import atomic_file
from tests.helpers.cli import read_tar

A = Output("a", ".png", b"image a", {".json": b"{}"})
B = Output("b/b", ".png", b"image b")


def write(target: Path | str, *outputs: Output) -> None:
    """Writes images to what `-o` names."""
    with open_sink(str(target), is_stream=True, force=False) as sink:
        for output in outputs:
            sink.add(output)


def test_a_plain_name_takes_one_image(tmp_path: Path) -> None:
    """One image is a file without its companions; a second leaves nothing behind."""
    write(tmp_path / "x.png", A)
    assert (tmp_path / "x.png").read_bytes() == b"image a"
    with pytest.raises(InputError, match=r"several images: .*y.png must be a \.tar or a folder"):
        write(tmp_path / "y.png", A, B)
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_a_plain_name_is_refused_for_many_files(tmp_path: Path) -> None:
    """Where it is known that several files come, none is taken for the one that a plain name holds."""
    for total, target in ((3, "out"), (2, "out.png")):
        with (
            pytest.raises(
                InputError, match=rf"there are {total} files: .*{target} must be a \.tar or a folder"
            ),
            open_sink(str(tmp_path / target), is_stream=True, total=total, force=True),
        ):
            pass
    assert not list(tmp_path.iterdir())


def test_a_tar_is_the_same_for_the_same_images(tmp_path: Path) -> None:
    """Tars hold image and companions side by side, and no trace of when or by whom."""
    write(tmp_path / "x.tar", A, B)
    write(tmp_path / "y.tar", A, B)
    assert (tmp_path / "x.tar").read_bytes() == (tmp_path / "y.tar").read_bytes()
    tar = read_tar((tmp_path / "x.tar").read_bytes())
    assert list(tar.items()) == [("a.png", b"image a"), ("a.json", b"{}"), ("b/b.png", b"image b")]


def test_a_folder_gets_a_file_each(tmp_path: Path) -> None:
    """A name that ends in / is made; keys with / become folders in it."""
    write(f"{tmp_path}/new/", A, B)
    found = {str(path.relative_to(tmp_path / "new")) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"a.png", "a.json", "b/b.png"}


@pytest.mark.parametrize("name", ["x.png", "x.tar"])
def test_an_error_leaves_the_old_file(tmp_path: Path, name: str) -> None:
    """A file that was there before a failed command is there after it, and nothing else."""
    (tmp_path / name).write_bytes(b"old")

    def fail() -> None:
        with open_sink(str(tmp_path / name), is_stream=True, force=True) as sink:
            sink.add(A)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / name).read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_input_in_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    """Re-encoding into the folder of the originals is refused before anything is lost."""
    (tmp_path / "a.png").write_bytes(b"original")
    with pytest.raises(InputError, match="is the input itself"):
        write(tmp_path, Output("a", ".png", b"new", source=tmp_path / "a.png"))
    assert (tmp_path / "a.png").read_bytes() == b"original"


def test_compressed_tars_and_missing_folders_are_refused(tmp_path: Path) -> None:
    """A place that cannot be written as named is an error with a sentence."""
    with pytest.raises(InputError, match=r"name a plain \.tar"):
        write(tmp_path / "x.tar.gz", A)
    with pytest.raises(InputError, match="there is no folder"):
        write(tmp_path / "missing" / "x.png", A)


def test_devices_are_written_to_not_replaced() -> None:
    """/dev/null stays a device."""
    write("/dev/null", A)
    assert Path("/dev/null").is_char_device()


def test_links_and_permissions_are_an_ordinary_files(tmp_path: Path) -> None:
    """A link keeps pointing at its file, which gets the permissions of any new file."""
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_file(tmp_path / "link") as file:
        file.write(b"new")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    assert (tmp_path / "real").stat().st_mode == (tmp_path / "plain").stat().st_mode

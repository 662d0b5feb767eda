"""Images from files, folders and tars."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.errors import InputError
from client.samples import Rejected, Sample, Source, is_image
from services.compressor.codecs import get_codec, list_codecs
from tests.helpers.cli import make_tar
from tests.helpers.images import jpeg_file, png_file, smooth_image

PNG, JPEG = png_file(8, 8), jpeg_file(8, 8)


def of_tar(data: bytes) -> list[Sample | Rejected]:
    """Returns what is found in a tar on a stream."""
    return list(Source.of_stream(io.BytesIO(data)))


def keys(items: list[Sample | Rejected]) -> list[str]:
    """Returns the keys of the samples."""
    return [item.key for item in items if isinstance(item, Sample)]


def test_files_with_one_key_are_one_sample() -> None:
    """An image has the files beside it that differ only in their extension, before it or after it."""
    tar = make_tar(
        {"a/x.json": b"{}", "a/x.png": PNG, "a/x.cls": b"3", "y.v1.PNG": PNG, "z.txt": b"-", ".z.png": PNG}
    )
    source = Source.of_stream(io.BytesIO(tar))
    assert source.is_stream
    assert list(source) == [
        Sample("a/x", "a/x.png", PNG, {".json": b"{}", ".cls": b"3"}, file_name="a/x.png"),
        Sample("y.v1", "y.v1.PNG", PNG, file_name="y.v1.PNG"),
    ]
    assert source.skipped == 1


def test_images_with_one_key_all_keep_a_key_of_their_own() -> None:
    """Results of `a.png`, `a.jpg` and a second `a.png` do not overwrite each other."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("a.jpg", "a.png", "b.png", "a.png", "a.png"):
            member = tarfile.TarInfo(name)
            member.size = len(PNG)
            tar.addfile(member, io.BytesIO(PNG))
    assert keys(of_tar(buffer.getvalue())) == ["a", "a.png", "b", "a.png.2", "a.png.3"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_tar_that_breaks_off_is_never_taken_for_whole(data: st.DataObject) -> None:
    """Cut anywhere, a tar gives the images before the cut and a rejection."""
    names = ["a.png", "b.jpg", "c/d.png"]
    tar = make_tar(dict(zip(names, (PNG, JPEG, PNG), strict=True)))
    end = tar.rstrip(b"\0")
    cut = data.draw(st.integers(512, len(end) - 1))
    *samples, last = of_tar(tar[:cut])
    assert isinstance(last, Rejected)
    assert "broken or incomplete" in last.reason
    assert keys(samples) == ["a", "b", "c/d"][: len(samples)]


def test_a_damaged_header_is_told() -> None:
    """A damaged header in the middle is an error, not the end of the tar."""
    tar = bytearray(make_tar({"a.png": PNG, "b.png": PNG}))
    tar[tar.index(b"b.png")] ^= 1
    first, second = of_tar(bytes(tar))
    assert isinstance(first, Sample)
    assert isinstance(second, Rejected)
    assert "a.png" in second.reason


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_compressed_tars_are_read(mode: str) -> None:
    """gzip, bzip2 and xz are recognised by their first bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        member = tarfile.TarInfo("a.png")
        member.size = len(PNG)
        tar.addfile(member, io.BytesIO(PNG))
    assert of_tar(buffer.getvalue()) == [Sample("a", "a.png", PNG, file_name="a.png")]
    assert isinstance(of_tar(buffer.getvalue()[: len(buffer.getvalue()) // 2])[-1], Rejected)


def test_members_that_lead_out_or_are_no_files_are_rejected() -> None:
    """Names with .., links and devices are named and not followed; a leading slash is dropped."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind in (
            ("../a.png", None),
            ("/b.png", None),
            ("c.png", tarfile.SYMTYPE),
            ("d.png", tarfile.FIFOTYPE),
        ):
            member = tarfile.TarInfo(name)
            if kind:
                member.type, member.linkname = kind, "b.png"
            else:
                member.size = len(PNG)
            tar.addfile(member, None if kind else io.BytesIO(PNG))
    items = of_tar(buffer.getvalue())
    assert keys(items) == ["b"]
    assert [item.name for item in items if isinstance(item, Rejected)] == ["../a.png", "c.png", "d.png"]


@pytest.mark.parametrize("name", ["", "/", ".", "./"])
def test_a_member_without_a_name_is_rejected(name: str) -> None:
    """It has nothing that a result could be called by; the next member is read."""
    first, second = of_tar(make_tar({name: PNG, "b.png": PNG}))
    assert first == Rejected(name, "a file needs a name")
    assert isinstance(second, Sample)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("size", ["-1", "-1024", str(2**40), str(10**20)])
def test_a_size_that_cannot_be_breaks_the_tar(size: str, mode: str) -> None:
    """Of a size below zero or far behind the end it is told at once; what came before is read."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.PAX_FORMAT) as tar:  # pyright: ignore
        for name, headers in (("a.png", {}), ("b.png", {"size": size})):
            member = tarfile.TarInfo(name)
            member.size, member.pax_headers = len(PNG), headers
            tar.addfile(member, io.BytesIO(PNG))
    first, *_, last = of_tar(buffer.getvalue())
    assert isinstance(first, Sample)
    assert isinstance(last, Rejected)
    assert "broken or incomplete" in last.reason


def test_an_empty_image_is_rejected_and_the_next_is_read() -> None:
    """A member of 0 bytes costs no other."""
    first, second = of_tar(make_tar({"a.png": b"", "b.png": PNG}))
    assert first == Rejected("a.png", "the file is empty")
    assert isinstance(second, Sample)


def test_an_empty_tar_has_no_images() -> None:
    """A tar of nothing is a tar."""
    assert of_tar(make_tar({})) == []


def test_a_stream_is_told_by_its_first_bytes() -> None:
    """An image on stdin is one image, however it arrives; nothing is an error."""

    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size, 7) if size and size > 0 else 7)

    source = Source.of_stream(Dripping(JPEG))
    assert not source.is_stream
    assert list(source) == [Sample("stdin", "stdin", JPEG)]
    with pytest.raises(InputError, match="stdin is empty"):
        Source.of_stream(io.BytesIO())


def test_a_folder_gives_its_images_by_their_paths(tmp_path: Path) -> None:
    """Keys are paths below the folder; other files and hidden ones are left out; sidecars come along."""
    for name, data in {
        "b/x.png": PNG, "b/x.json": b"{}", "b/x-1.png": PNG, "a.jpg": JPEG, "unnamed": PNG,
        "notes.txt": b"no image", ".hidden/x.png": PNG, "out/a.gpc": PNG, "text.png": b"no image either",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    source = Source.of_paths([tmp_path], exclude=tmp_path / "out")
    items = list(source)
    assert sorted(keys(items)) == ["a", "b/x", "b/x-1", "text", "unnamed"]
    assert {item.key: list(item.companions) for item in items if isinstance(item, Sample)}["b/x"] == [".json"]
    assert source.skipped == 1


def test_named_files_are_images_or_errors(tmp_path: Path) -> None:
    """A file that the user names is passed on whatever its name is; a missing one is an error."""
    (tmp_path / "x").write_bytes(b"text")
    (source,) = [Source.of_paths([tmp_path / "x"])]
    assert not source.is_stream
    assert keys(list(source)) == ["x"]
    with pytest.raises(InputError, match="there is no file or folder"):
        Source.of_paths([tmp_path / "nothing"])


def test_tars_among_files_are_opened(tmp_path: Path) -> None:
    """Tars and files may be named together."""
    (tmp_path / "x.tar").write_bytes(make_tar({"a.png": PNG}))
    (tmp_path / "a.png").write_bytes(PNG)
    source = Source.of_paths([tmp_path / "x.tar", tmp_path / "a.png"])
    assert (source.is_stream, source.total) == (True, None)
    assert keys(list(source)) == ["a", "a.png"]


def test_a_named_pipe_is_read_once(tmp_path: Path) -> None:
    """What a shell's <(...) gives is read as a stream."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_bytes(make_tar({"a.png": PNG}))).start()
    source = Source.of_paths([pipe])
    assert source.is_stream
    assert keys(list(source)) == ["a"]


def test_every_codecs_files_are_known_as_images() -> None:
    """Whatever a codec writes is taken for an image, by its extension; our container by its content, too."""
    assert all(is_image(codec.file_extension, b"") for codec in list_codecs())
    assert is_image("", get_codec("dct").encode(smooth_image(8, 8)))
    assert not is_image(".txt", b"BMW is a maker of cars")

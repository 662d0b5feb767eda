"""Tar files and WebDataset shards, whole and damaged."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.images import jpeg_file
from trainer.data.errors import SourceError
from trainer.data.raw import RawImage
from trainer.data.tars import read_tars


def tar_of(files: dict[str, bytes], **options: object) -> bytes:
    """Returns a tar file of the files, in their order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", **options) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def read(*paths: Path) -> list[RawImage]:
    """Returns everything in the tars."""
    return list(read_tars([str(path) for path in paths], lambda _: True))


FILES = {f"train/dogs/dog.{i}.jpg": bytes([i]) * 700 for i in range(5)} | {"labels.csv": b"file,label\n"}


@pytest.mark.parametrize("compressed", [False, True])
def test_plain_tar(tmp_path: Path, compressed: bool) -> None:
    """Every file comes with its folder as its class, whether the tar is compressed or not."""
    data = tar_of(FILES)
    (tmp_path / "x.tar").write_bytes(gzip.compress(data) if compressed else data)
    found = read(tmp_path / "x.tar")
    assert {image.name: image.data for image in found} == FILES
    assert {image.class_name for image in found} == {"dogs", None}


def test_links_folders_and_leading_dots(tmp_path: Path) -> None:
    """Only regular files count, and `./` is no part of a name."""
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name, kind in (("./a", tarfile.DIRTYPE), ("./a/link.jpg", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "1.jpg"
            tar.addfile(member)
        member = tarfile.TarInfo("./a/1.jpg")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    assert [(image.name, image.class_name) for image in read(tmp_path / "x.tar")] == [("a/1.jpg", "a")]


def test_webdataset_shards(tmp_path: Path) -> None:
    """Shards of the webdataset library give each image the class beside it, and names with the shard's."""
    with webdataset.ShardWriter(str(tmp_path / "cars-train-%03d.tar"), maxcount=2, verbose=0) as writer:
        for i in range(3):
            writer.write({"__key__": f"{i:04d}", "jpg": jpeg_file(seed=i), "cls": i % 2})
    found = read(tmp_path / "cars-train-000.tar", tmp_path / "cars-train-001.tar")
    assert [(image.name, image.class_name) for image in found] == [
        ("cars-train-000/0000.jpg", "0"),
        ("cars-train-000/0001.jpg", "1"),
        ("cars-train-001/0002.jpg", "0"),
    ]


@pytest.mark.parametrize(
    ("beside", "class_name"),
    [
        ({"json": json.dumps({"label": "suv", "seed": 3}).encode()}, "suv"),
        ({"json": b'{"cls": 7}'}, "7"),
        ({"json": b'{"seed": 3}'}, "folder"),
        ({"json": b"[1]", "txt": b"a car"}, "folder"),
        ({"cls": b"coupe\n", "json": b'{"label": "suv"}'}, "coupe"),
    ],
)
def test_class_beside_an_image(tmp_path: Path, beside: dict[str, bytes], class_name: str) -> None:
    """`.cls` beats `.json` beats the folder, and what is beside an image is no file of its own."""
    files = {f"folder/1.{ending}": data for ending, data in sorted((beside | {"jpg": b"x"}).items())}
    (tmp_path / "x.tar").write_bytes(tar_of(files))
    assert [(image.name, image.class_name) for image in read(tmp_path / "x.tar")] == [
        ("folder/1.jpg", class_name)
    ]


@pytest.mark.parametrize("json", [b"{", b"\xff", b"[" * 20_000])
def test_broken_json_beside_an_image(tmp_path: Path, json: bytes) -> None:
    """A label that cannot be read is named with its shard."""
    (tmp_path / "x.tar").write_bytes(tar_of({"1.jpg": b"x", "1.json": json}))
    with pytest.raises(SourceError, match=r"1\.json in .*x\.tar is not readable"):
        read(tmp_path / "x.tar")


@pytest.mark.parametrize(
    ("name", "kind", "headers"),
    [
        ("", tarfile.REGTYPE, {}),
        (".", tarfile.REGTYPE, {}),
        ("b.jpg", tarfile.REGTYPE, {"size": "-1024"}),
        ("b.jpg", tarfile.REGTYPE, {"size": str(10**20)}),
        ("b.jpg", b"?", {"size": str(10**20)}),
        ("b.jpg", tarfile.REGTYPE, {"GNU.sparse.map": "0,3", "GNU.sparse.size": str(10**12)}),
    ],
)
def test_members_that_cannot_be(tmp_path: Path, name: str, kind: bytes, headers: dict[str, str]) -> None:
    """A file without a name, of no possible size or of an unknown kind is an error, and is told at once."""
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for member in (tarfile.TarInfo("a/1.jpg"), tarfile.TarInfo(name)):
            member.size = 3
            if member.name == name:
                member.type, member.pax_headers = kind, headers
            tar.addfile(member, io.BytesIO(b"abc"))
    with pytest.raises(SourceError, match="damaged or cut off after 1 files"):
        read(tmp_path / "x.tar")


def test_a_description_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    """A name that its header calls 8 GB long is an error before it is read."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 8**11 - 1
    whole = tar_of({"1.jpg": bytes(512)})[:1024]
    (tmp_path / "x.tar").write_bytes(whole + header.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    with pytest.raises(SourceError, match=f"a name or description of {8**11 - 1} bytes"):
        read(tmp_path / "x.tar")


TAR = tar_of(FILES)


@settings(max_examples=60)
@given(cut=st.integers(0, len(TAR.rstrip(b"\0")) - 1))
def test_a_tar_cut_off_anywhere_is_an_error(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """Wherever a tar is cut off before its last file ends, also between two files, it is refused."""
    path = tmp_path_factory.mktemp("tar") / "x.tar"
    path.write_bytes(TAR[:cut])
    with pytest.raises(
        SourceError, match=r"x\.tar is (damaged or cut off after \d files|not a readable tar)"
    ):
        read(path)


def test_a_tar_without_its_end_mark_is_an_error(tmp_path: Path) -> None:
    """Where the next file should begin there must be a file or the mark of the end."""
    end = len(TAR.rstrip(b"\0"))
    end += -end % 512
    (tmp_path / "x.tar").write_bytes(TAR[:end])
    with pytest.raises(SourceError, match=r"cut off after 6 files, near labels\.csv: .*get it anew"):
        read(tmp_path / "x.tar")


def test_a_cut_off_compressed_tar_is_an_error(tmp_path: Path) -> None:
    """So is one that was compressed."""
    data = gzip.compress(tar_of({f"a/{i}.jpg": jpeg_file(seed=i) for i in range(20)}))
    (tmp_path / "x.tar.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match="damaged or cut off"):
        read(tmp_path / "x.tar.gz")

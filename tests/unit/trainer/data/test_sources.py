"""Raw data at paths and URLs."""

from __future__ import annotations

import functools
import http.server
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tests.helpers.images import jpeg_file
from trainer.data.errors import SourceError
from trainer.data.options import DataOptions
from trainer.data.prepare import prepare
from trainer.data.raw import RawImage
from trainer.data.sources import read_source, source_name


def read(location: str | Path, **options: object) -> list[RawImage]:
    """Returns everything at a location, sorted by name."""
    images = read_source(location, DataOptions(**options)).images  # type: ignore[arg-type]
    return sorted(images, key=lambda image: image.name)


def pack(folder: Path, tar_path: Path) -> Path:
    """Writes the files of a folder to a tar, last ones first."""
    with tarfile.open(tar_path, "w") as tar:
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_file():
                tar.add(path, path.relative_to(folder).as_posix())
    return tar_path


def test_folder_at_any_depth_with_links(tmp_path: Path) -> None:
    """Files come with the name of their folder; links are followed, also those that lead back up."""
    root = tmp_path / "root"
    (root / "a/Dogs").mkdir(parents=True)
    (root / "a/Dogs/1.jpg").write_bytes(b"1")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/2.jpg").write_bytes(b"2")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "a/up").symlink_to(root)
    assert read(root) == [RawImage("a/Dogs/1.jpg", b"1", "Dogs"), RawImage("linked/2.jpg", b"2", "linked")]


def test_patterns_choose_files(photos: Path) -> None:
    """A file must match one pattern to include and none to exclude; `*` goes through folders."""
    found = read(photos, include=("van/*", "*/00.jpg"), exclude=("*/9?.jpg", "*.DS_Store"))
    assert [image.name for image in found] == ["Coupe/00.jpg", *(f"van/{i:02d}.jpg" for i in range(8))]


def test_kaggle_dogs(tmp_path: Path) -> None:
    """Kaggle's cat-and-dog set as published gives train and test dogs; its junk file is counted."""
    for part, numbers in (("training_set", (1, 2, 3)), ("test_set", (4001, 4002))):
        for animal in ("dogs", "cats"):
            folder = tmp_path / "archive" / part / part / animal
            folder.mkdir(parents=True)
            (folder / "_DS_Store").write_bytes(b"\0\0\0\1Bud1")
            for i in numbers:
                (folder / f"{animal[:-1]}.{i}.jpg").write_bytes(jpeg_file(seed=i))
    options = DataOptions(include=("*/dogs/*",))
    prepared = prepare(tmp_path / "archive", tmp_path / "set", size_px=32, options=options)
    assert {name: split.images_per_label for name, split in prepared.info.splits.items()} == {
        "train": {"dogs": 3},
        "test": {"dogs": 2},
    }
    assert prepared.info.left_out == {"junk file of an operating system": 2}


def test_folder_and_tar_give_the_same_set(photos: Path, tmp_path: Path) -> None:
    """A tar of a folder gives the very same images, in whatever order it was packed."""
    tar = pack(photos, tmp_path / "photos.tar")
    from_tar = prepare(tar, tmp_path / "a", size_px=32, workers=1)
    from_folder = prepare(photos, tmp_path / "b", size_px=32, workers=3)
    assert from_tar.info.splits == from_folder.info.splits
    assert from_tar.info.left_out == from_folder.info.left_out
    assert from_tar.files() == from_folder.files()


def test_remote_store(photos: Path, tmp_path: Path) -> None:
    """A folder and shards behind an fsspec URL are read like local ones."""
    fs = fsspec.filesystem("memory")
    fs.put(str(photos), "/bucket/photos", recursive=True)
    pack(photos, tmp_path / "x.tar")
    for i in (0, 1):
        fs.put(str(tmp_path / "x.tar"), f"/bucket/x-{i}.tar")
    assert read("memory://bucket/photos") == read(photos)
    assert read(f"file://{photos}") == read(photos)
    assert [image.data for image in read("memory://bucket/x-{0..1}.tar")][:25] == [
        image.data for image in read(photos)
    ]
    with pytest.raises(SourceError, match="memory://bucket/nothing does not exist"):
        read("memory://bucket/nothing")


@pytest.fixture
def server(photos: Path, tmp_path: Path) -> Iterator[str]:
    """An HTTP server on this machine with photos.tar, and cut.tar of which only a part arrives."""
    root = tmp_path / "www"
    root.mkdir()
    pack(photos, root / "photos.tar")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path != "/cut.tar":
                return super().do_GET()
            data = (root / "photos.tar").read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            return self.wfile.write(data[:20_000]) and None

    handler = functools.partial(Handler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as www:
        threading.Thread(target=www.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{www.server_address[1]}"
        www.shutdown()


def test_http(server: str, photos: Path) -> None:
    """A tar is read over HTTP; one that is not there, or breaks off, is one sentence."""
    assert read(f"{server}/photos.tar") == read(photos)
    with pytest.raises(SourceError, match=r"/nothing\.tar cannot be read: HTTP Error 404"):
        read(f"{server}/nothing.tar")
    with pytest.raises(SourceError, match=r"/cut\.tar is damaged or cut off after \d+ files"):
        read(f"{server}/cut.tar")
    with pytest.raises(SourceError, match=r"is not a readable tar file"):
        read(f"{server}/")
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9/x\.tar cannot be read: .*refused"):
        read("http://127.0.0.1:9/x.tar")


def test_locations_that_cannot_be_read(tmp_path: Path) -> None:
    """What is not there, no tar, not reachable or not spelt right is named."""
    (tmp_path / "file.zip").write_bytes(b"PK")
    (tmp_path / "x-0.tar").write_bytes(b"PK")
    for location, message in (
        (tmp_path / "nowhere", "nowhere does not exist"),
        (tmp_path / "file.zip", r"file\.zip is not a tar file; accepted: a tar file or a folder"),
        (tmp_path / "x-{0..1}.tar", r"x-0\.tar is not a tar file"),
        (tmp_path / "y-{0..1}.tar", r"y-0\.tar does not exist"),
        (tmp_path / "y-{0..1.tar", "braces that do not pair"),
        ("nothing://x/y.tar", "nothing://x/y.tar cannot be read: Protocol not known"),
    ):
        with pytest.raises(SourceError, match=message):
            read(location)


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("../shared/cars.tar", "cars"),
        ("https://x/y/dogs.tar.gz", "dogs"),
        ("photos/", "photos"),
        ("s-{0..1}.tar", "s-{0..1}"),
    ],
)
def test_data_is_named_after_its_file(location: str, name: str) -> None:
    """The name is the last part of the location without what tells the kind of file."""
    assert source_name(location) == name

"""Archives of many small images, as their users see them."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.compressor.codecs import CodecError, CorruptDataError, decode, get_codec
from services.compressor.codecs.archive import ArchiveReader, ArchiveWriter, UnknownMemberError
from services.compressor.codecs.archive.records import HEADER
from tests.golden.renew import ARCHIVE, ARCHIVED, GOLDEN, image
from tests.helpers.images import smooth_image

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
files = st.one_of(
    st.binary(max_size=40), st.integers(0, 3000).map(lambda n: b"\x89PNG the same beginning " + bytes(n))
)
members = st.lists(st.tuples(keys, files, st.sampled_from(["png", "dct", "jpeg"])), max_size=30)


class Pipe(io.RawIOBase):
    """A sink that cannot seek and takes a few bytes at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()

    def writable(self) -> bool:
        """Says that it can be written to."""
        return True

    def write(self, data: object) -> int:
        """Takes up to 1000 bytes."""
        part = bytes(data)[:1000]  # type: ignore[call-overload]
        self.data += part
        return len(part)


@settings(max_examples=60)
@given(members, st.integers(0, 30))
def test_round_trip(entries: list[tuple[str, bytes, str]], flush_after: int) -> None:
    """Members come back in order and by key, the last one of several of a key, through a pipe as well."""
    pipe = Pipe()
    with ArchiveWriter(pipe) as writer:  # type: ignore[arg-type]
        for number, entry in enumerate(entries):
            writer.add(*entry)
            if number == flush_after:
                writer.flush()
    reader = ArchiveReader(io.BytesIO(bytes(pipe.data)))
    assert [(member.key, member.data, member.codec) for member in reader] == entries
    assert list(reader.keys()) == [key for key, _, _ in entries]
    assert len(reader) == writer.member_count == len(entries)
    assert reader.damaged_bytes == 0
    for key, data, codec in {key: (key, data, codec) for key, data, codec in entries}.values():
        assert key in reader
        assert (reader.read(key).data, reader.read(key).codec) == (data, codec)


def test_images(tmp_path: Path) -> None:
    """Images go in through any codec and come out by key."""
    images = {f"cars/{number:04d}": smooth_image(32, 32, seed=number) for number in range(5)}
    codecs = [get_codec("dct"), get_codec("webp", lossless=True), get_codec("kmeans", k=16)]
    with ArchiveWriter.create(tmp_path / "cars.gpa") as writer:
        for number, (key, image) in enumerate(images.items()):
            writer.add_image(key, image, codecs[number % 3])
    with ArchiveReader.open(tmp_path / "cars.gpa") as reader:
        for number, (key, image) in enumerate(images.items()):
            codec = codecs[number % 3]
            assert reader.read(key).codec == codec.id
            assert np.array_equal(reader.decode(key), decode(codec.encode(image)))
        with pytest.raises(UnknownMemberError, match="no member 'cars/9'; it has 5 members"):
            reader.read("cars/9")
        assert "cars/9" not in reader


def test_codec_is_found_out() -> None:
    """Without a codec's name, the file says which it is; what is no image is refused."""
    file = io.BytesIO()
    with ArchiveWriter(file) as writer:
        writer.add("a", get_codec("jpeg").encode(smooth_image(8, 8)))
        with pytest.raises(CorruptDataError, match="not an image"):
            writer.add("b", b"text")
    assert [member.codec for member in ArchiveReader(file)] == ["jpeg"]


@pytest.mark.parametrize(
    ("key", "codec", "message"),
    [
        ("", "png", "a key has 1 to 4095 bytes of UTF-8, not 0"),
        ("ä" * 2048, "png", "not 4096"),
        ("\ud800", "png", "UTF-8 can hold"),
        ("a", "Über", "a-z, 0-9 and _, not 'Über'"),
        ("a", "", "not ''"),
    ],
)
def test_what_cannot_be_a_member(key: str, codec: str, message: str) -> None:
    """A key or codec that cannot be written is named, and nothing of it is written."""
    file = io.BytesIO()
    writer = ArchiveWriter(file)
    with pytest.raises(CodecError, match=message):
        writer.add(key, b"data", codec)
    assert file.getvalue() == HEADER


@pytest.mark.parametrize("data", [b"", HEADER[:7], b"\x89GPC" + bytes(40), b"\x89GPA\x02\0\0\0", b"text" * 9])
def test_what_is_no_archive(data: bytes) -> None:
    """Other files, and versions to come, are refused in one sentence."""
    with pytest.raises(CorruptDataError, match=r"is no GanPress archive|has version 2"):
        ArchiveReader(io.BytesIO(data))


def test_empty_archive() -> None:
    """An archive of no members is one too."""
    file = io.BytesIO()
    ArchiveWriter(file).close()
    assert len(ArchiveReader(file)) == 0
    assert list(ArchiveReader(file)) == []


def test_append(tmp_path: Path) -> None:
    """An archive is gone on with any number of times; nothing that was written changes."""
    path = tmp_path / "a.gpa"
    ArchiveWriter.create(path).close()
    before = path.read_bytes()
    for number in range(4):
        with ArchiveWriter.append(path) as writer:
            writer.add(f"{number}", b"data of %d" % number, "png")
        assert path.read_bytes().startswith(before)
        before = path.read_bytes()
    with ArchiveReader.open(path) as reader:
        assert [member.key for member in reader] == ["0", "1", "2", "3"]
        assert reader.read("0").data == b"data of 0"


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """A second writer is refused while the first one works, and an existing archive is not overwritten."""
    pytest.importorskip("fcntl")
    path = tmp_path / "a.gpa"
    with (
        ArchiveWriter.create(path),
        pytest.raises(CodecError, match=r"another program writes to .*a\.gpa"),
    ):
        ArchiveWriter.append(path)
    with pytest.raises(FileExistsError):
        ArchiveWriter.create(path)


def test_reading_while_it_grows(tmp_path: Path) -> None:
    """A reader sees members once they are written whole, before and after an index."""
    path = tmp_path / "a.gpa"
    writer = ArchiveWriter.create(path)
    with ArchiveReader.open(path) as reader:
        assert len(reader) == 0
        for number in range(10):
            writer.add(f"{number}", bytes([number]) * 50, "png")
            if number == 4:
                writer.flush()
            assert f"{number}" not in reader
            assert reader.refresh() == 1
            assert reader.read(f"{number}").data == bytes([number]) * 50
        whole = path.read_bytes()
        writer.add("late", bytes(100), "png")
        grown = path.read_bytes()
        for size in range(len(whole), len(grown)):
            path.write_bytes(grown[:size])
            assert reader.refresh() == 0
        path.write_bytes(grown)
        assert reader.refresh() == 1
        assert len(list(reader)) == 11


def test_many_members_in_little_memory(tmp_path: Path) -> None:
    """100,000 members are written, opened and read by key, and what is held does not grow with them."""
    path = tmp_path / "many.gpa"
    count, traced = 100_000, 8_000
    with ArchiveWriter.create(path) as writer:
        for number in range(count):
            if number == count - traced:
                tracemalloc.start()
            writer.add(f"{number:06d}", b"\x89GPC a beginning" + number.to_bytes(4, "big"), "dct")
        held_bytes, _ = tracemalloc.get_traced_memory()
    assert held_bytes < 1 << 20
    assert path.stat().st_size < count * 45
    with ArchiveReader.open(path) as reader:
        assert len(reader) == count
        for number in range(0, count, 997):
            assert reader.read(f"{number:06d}").data.endswith(number.to_bytes(4, "big"))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < 4 << 20
        assert sum(1 for _ in reader.keys()) == count  # noqa: SIM118 - members, not keys of a mapping


def test_old_archive_opens() -> None:
    """The archive of the first version gives its members for ever."""
    with ArchiveReader.open(GOLDEN / ARCHIVE) as reader:
        assert list(reader.keys()) == list(ARCHIVED)
        for key, size in ARCHIVED.items():
            assert np.array_equal(reader.decode(key), image(*size))


def test_document() -> None:
    """The bytes are those of docs/codecs/archive.md: header, shared record, member and index by hand."""
    file = io.BytesIO()
    with ArchiveWriter(file) as writer:
        writer.add("k", b"data", "png")

    def record(kind: int, body: bytes, offset: int) -> bytes:
        start = bytes([kind, len(body)])
        return start + zlib.crc32(struct.pack("<Q", offset) + start + body).to_bytes(4, "little") + body

    header = b"\x89GPA\x01\0\0\0"
    shared = record(0xE2, b"\x03pngdata", 8)
    member = record(0xE1, bytes([len(shared), 4, 1]) + b"k", 8 + len(shared))
    index_at = 8 + len(shared) + len(member)
    table = struct.pack("<II", zlib.crc32(b"k"), len(shared))
    index = record(0xE3, bytes([0, 8, 1]) + table + struct.pack("<I", 6 + 3 + 8 + 8) + b"GPAX", index_at)
    assert file.getvalue() == header + shared + member + index

"""What is left of damaged archives."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compressor.codecs import CodecError, CorruptDataError
from services.compressor.codecs.archive import ArchiveReader, ArchiveWriter
from services.compressor.codecs.archive.records import HEADER, number

MEMBERS = {f"key-{number}": b"the same beginning %d " % number * (number % 3 + 1) for number in range(7)}


def archive() -> tuple[bytes, list[int]]:
    """Returns an archive of MEMBERS with an index after four of them, and where each member ends."""
    file, ends = io.BytesIO(), list[int]()
    with ArchiveWriter(file) as writer:
        for number, (key, data) in enumerate(MEMBERS.items()):
            writer.add(key, data, "png")
            ends.append(file.tell())
            if number == 3:
                writer.flush()
    return file.getvalue(), ends


ARCHIVE, ENDS = archive()


@pytest.mark.parametrize("size", range(len(HEADER), len(ARCHIVE)))
def test_every_cut(size: int, tmp_path: Path) -> None:
    """Wherever an archive is cut, all members that are whole are given, and it can be gone on with."""
    path = tmp_path / "cut.gpa"
    path.write_bytes(ARCHIVE[:size])
    whole = dict(list(MEMBERS.items())[: sum(end <= size for end in ENDS)])
    with ArchiveReader.open(path) as reader:
        assert {member.key: member.data for member in reader} == whole
        assert {key: reader.read(key).data for key in whole} == whole
        assert len(reader) == len(whole)
    with ArchiveWriter.append(path) as writer:
        writer.add("new", b"the same beginning, new", "png")
    with ArchiveReader.open(path) as reader:
        assert {member.key: member.data for member in reader} == {**whole, "new": b"the same beginning, new"}
        assert reader.read("new").codec == "png"
        assert all(reader.read(key).data == data for key, data in whole.items())


def test_cut_header() -> None:
    """Less than a header is no archive."""
    for size in range(len(HEADER)):
        with pytest.raises(CorruptDataError):
            ArchiveReader(io.BytesIO(ARCHIVE[:size]))


def test_flipped_bytes() -> None:
    """After any change of a byte, every member is given as it was or not at all, and most are given."""
    random = np.random.default_rng(0)
    given_back = 0
    for place in range(len(ARCHIVE)):
        data = bytearray(ARCHIVE)
        data[place] ^= random.integers(1, 256)
        with suppress(CorruptDataError):
            reader = ArchiveReader(io.BytesIO(bytes(data)))
            for member in reader:
                assert MEMBERS[member.key] == member.data
            for key, content in MEMBERS.items():
                with suppress(CodecError):
                    assert reader.read(key).data == content
                    given_back += 1
    assert given_back > 0.75 * len(ARCHIVE) * len(MEMBERS)


def test_lost_index() -> None:
    """Without one of the indexes all members are found, by key too, and without growing what follows."""
    first_index = ARCHIVE.index(b"GPAX")
    data = bytearray(ARCHIVE)
    data[first_index] ^= 1
    reader = ArchiveReader(io.BytesIO(bytes(data)))
    assert {key: reader.read(key).data for key in MEMBERS} == MEMBERS
    assert reader.damaged_bytes > 0
    assert len(reader) == len(MEMBERS)


@given(st.binary(max_size=300), st.integers(0, 3))
def test_anything_after_the_header(data: bytes, inserted: int) -> None:
    """No bytes make the reader fail otherwise than by its own error, nor hang."""
    with suppress(CodecError):
        reader = ArchiveReader(io.BytesIO(HEADER + data + ARCHIVE[len(HEADER) + inserted :]))
        assert list(reader) is not None
        with suppress(CodecError):
            reader.read("key-1")


def test_archive_in_an_archive() -> None:
    """An archive inside an archive stays inside, even when the member that holds it is damaged."""
    file = io.BytesIO()
    with ArchiveWriter(file) as writer:
        writer.add("first", b"x" * 2000, "png")
        writer.add("inner", ARCHIVE * 3, "png")
        writer.add("last", b"y" * 20, "png")
    data = bytearray(file.getvalue())
    assert [member.key for member in ArchiveReader(io.BytesIO(bytes(data)))] == ["first", "inner", "last"]
    data[data.index(b"inner")] ^= 1
    assert [member.key for member in ArchiveReader(io.BytesIO(bytes(data)))] == ["first", "last"]


def test_searching_is_bounded() -> None:
    """A file in which thousands of long records seem to begin is refused, not searched for hours."""
    size = 1 << 21
    starts = bytearray(HEADER)
    while len(starts) < size - 2500:
        # A member of all that follows, whose key is "k".
        starts += b"\xe1" + number(size - len(starts) - 2000) + bytes(4) + b"\0\0\x01k"
    starts += bytes(1000)
    with pytest.raises(CorruptDataError, match="damaged beyond use"):
        ArchiveReader(io.BytesIO(bytes(starts)))

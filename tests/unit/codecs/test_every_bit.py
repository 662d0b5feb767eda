"""Every format of ours, and PNG, tells when one bit of a file was flipped, whichever it is."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from services.compressor.codecs import CorruptDataError, decode, get_codec
from services.compressor.codecs.archive import ArchiveReader, ArchiveWriter
from services.compressor.codecs.repack import file as repack_file
from services.compressor.codecs.seed import Origin, SeedCodec
from tests.helpers.images import smooth_image
from tests.helpers.jpegs import jpeg, photo

IMAGE = smooth_image(9, 7)
SEED = SeedCodec(lambda _: IMAGE.astype(np.float32) + np.float32(0.25))

FILES: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "dct": (get_codec("dct").encode(IMAGE), decode),
    "palette": (get_codec("kmeans", k=8, pack=True).encode(IMAGE), decode),
    "kmeans": (get_codec("kmeans", k=8).encode(IMAGE), decode),
    "kmeans rgba": (get_codec("kmeans", k=8).encode(smooth_image(9, 7, 4)), decode),
    "png": (get_codec("png").encode(IMAGE), decode),
    "repack": (repack_file.pack(jpeg(photo(16, 9), quality=50)), repack_file.unpack),
    "seed": (SEED.encode(IMAGE, Origin("ab" * 32, "sedan", 7)), SEED.decode),
}


def flipped(data: bytes, bit: int) -> bytes:
    """Returns data with one bit flipped."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("name", FILES)
def test_one_image(name: str) -> None:
    """A file with a flipped bit is refused as corrupt, never decoded."""
    data, read = FILES[name]
    read(data)
    for bit in range(8 * len(data)):
        with pytest.raises(CorruptDataError):
            read(flipped(data, bit))


def test_archive() -> None:
    """A flipped bit is found in any place of an archive, and the part that it is in is named."""
    file = io.BytesIO()
    with ArchiveWriter(file) as writer:
        for number in range(3):
            writer.add(f"key-{number}", b"the same beginning %d" % number, "png")
    data = file.getvalue()
    assert list(ArchiveReader(io.BytesIO(data)).damage()) == []
    for bit in range(8 * len(data)):
        changed = flipped(data, bit)
        if bit < 8 * 8:
            with pytest.raises(CorruptDataError):
                ArchiveReader(io.BytesIO(changed))
            continue
        parts = list(ArchiveReader(io.BytesIO(changed)).damage())
        assert any(part.start <= bit // 8 < part.end for part in parts)


def test_damage_is_named() -> None:
    """Damage is named by its place and by the member before it; members without their beginning are told."""
    file = io.BytesIO()
    writer = ArchiveWriter(file)
    ends = [0]
    for number in range(3):
        writer.add(f"key-{number}", bytes(range(100)) + b"%d" % number, "png")
        ends.append(file.tell())
    data = file.getvalue()
    (part,) = ArchiveReader(io.BytesIO(flipped(data, 8 * ends[2] + 60))).damage()
    assert part == (ends[2], ends[3], "key-1")
    shared = data.index(bytes(range(100)))
    parts = list(ArchiveReader(io.BytesIO(flipped(data, 8 * shared))).damage())
    assert [part.end for part in parts] == [parts[0].end, *ends[1:]]
    assert {part.after for part in parts} == {""}

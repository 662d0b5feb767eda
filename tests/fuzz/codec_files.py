"""Targets: the files that our codecs write."""

from __future__ import annotations

import io
import os
import struct
from contextlib import suppress

import numpy as np

from services.compressor.codecs import CodecError, Pixels, container, decode, get_codec, identify
from services.compressor.codecs.archive import ArchiveReader, ArchiveWriter
from services.compressor.codecs.container import Container
from services.compressor.codecs.repack import file as repack_file
from services.compressor.codecs.repack import header as repack_header
from services.compressor.codecs.seed import Origin, SeedCodec, read_origin
from tests.fuzz.mending import mended_archive, mended_container
from tests.fuzz.targets import Target
from tests.helpers.images import smooth_image
from tests.helpers.jpegs import jpeg, photo

MAX_PIXELS = 256 if os.environ.get("NUMBA_DISABLE_JIT") else 2048
"""Largest image decoded: few enough for many inputs a second, and compiled enough for blocks of all sizes."""


def decode_any(data: bytes) -> None:
    """Decodes a file, as it is and with its checksum put right; what it announces is what it holds."""
    for file in (data, mended_container(data)):
        with suppress(CodecError):
            codec = identify(file)
            image = decode(file, max_pixels=MAX_PIXELS)
            held = container.unpack(file, max_pixels=MAX_PIXELS) if container.is_container(file) else None
            assert image.dtype == np.uint8
            assert image.shape[0] * image.shape[1] <= MAX_PIXELS
            if held and codec != "repack":  # a CMYK JPEG is announced as RGB
                assert image.shape == (held.height_px, held.width_px, held.channels)


_DCT_OPTIONS: tuple[dict[str, object], ...] = (
    {"quality": 80},
    {"quality": 30, "subsampling": "420"},
    {"effort": "fast"},
    {"threshold": 0.02},
    {"postfilter": False},
)


def _dct_seeds() -> list[bytes]:
    files = [
        get_codec("dct", **options).encode(_image(width_px, height_px, channels))
        for width_px, height_px, channels in ((1, 1, 1), (9, 7, 3), (16, 16, 3), (33, 40, 3), (10, 17, 4))
        for options in _DCT_OPTIONS
    ]
    return [*files, Container(1, 40, 40, 3, b"\x05\x40\x88" + bytes(range(256))).pack()]


def _image(width_px: int, height_px: int, channels: int) -> Pixels:
    return smooth_image(width_px, height_px, channels).reshape(height_px, width_px, channels)


def _palette_seeds() -> list[bytes]:
    return [
        get_codec("kmeans", k=k, pack=True).encode(_image(13, 9, channels))
        for k in (2, 7, 64)
        for channels in (1, 3, 4)
    ]


def restore(data: bytes) -> None:
    """Restores a repacked JPEG; one whose parts are plain in the input, and the input as it is."""
    for file in (data, mended_container(data), _assembled(data)):
        with suppress(CodecError):
            repack_file.unpack(file, max_pixels=MAX_PIXELS)


_PARTS = struct.Struct("<BHHHHH")
"""Flags, width, height, and the lengths of JPEG, skeleton and traits."""


def _assembled(data: bytes) -> bytes:
    """Returns a repacked JPEG of plain parts, so that the fuzzer need not find its way through DEFLATE."""
    if len(data) < _PARTS.size:
        return data
    flags, width_px, height_px, size, skeleton_bytes, traits_bytes = _PARTS.unpack_from(data)
    plain = data[_PARTS.size : _PARTS.size + skeleton_bytes + traits_bytes]
    stream = data[_PARTS.size + skeleton_bytes + traits_bytes :]
    packed, is_lzma = repack_header.compress(plain)
    sizes = (size, skeleton_bytes, traits_bytes, len(packed))
    payload = struct.pack("<BI", flags & ~1 | is_lzma, 0) + b"".join(map(container.varint, sizes))
    return Container(3, max(width_px, 1), max(height_px, 1), 3, payload + packed + stream).pack()


def _disassembled(file: bytes) -> bytes:
    """Returns the input from which `_assembled` makes a repacked JPEG."""
    held = container.unpack(file, max_pixels=1 << 20)
    flags, _ = struct.unpack_from("<BI", held.payload)
    position, sizes = 5, list[int]()
    for _ in range(4):
        size, position = container.read_varint(held.payload, position)
        sizes.append(size)
    packed = held.payload[position : position + sizes[3]]
    plain = repack_header.decompress(packed, sizes[1] + sizes[2], is_lzma=bool(flags & 1))
    head = _PARTS.pack(flags, held.width_px, held.height_px, *sizes[:3])
    return head + plain + held.payload[position + sizes[3] :]


def _jpegs() -> list[bytes]:
    return [
        jpeg(photo(16, 10), quality=70),
        jpeg(photo(16, 16), quality=30, progressive=True),
        jpeg(photo(24, 17), quality=70),
        jpeg(photo(24, 17, "L"), quality=40, restart_marker_blocks=2),
        jpeg(photo(33, 20), quality=60, progressive=True),
        jpeg(photo(20, 12), quality=80, subsampling="4:4:4", progressive=True, optimize=True),
        jpeg(photo(12, 9, "CMYK"), quality=50),
    ]


def _repack_seeds() -> list[bytes]:
    files = [repack_file.pack(data) for data in _jpegs()]
    return [*files, *map(_disassembled, files)]


def repack(data: bytes) -> None:
    """Repacks a JPEG: what is taken comes back byte for byte."""
    with suppress(CodecError):
        packed = repack_file.pack(data, max_pixels=MAX_PIXELS)
        assert repack_file.unpack(packed, max_pixels=MAX_PIXELS) == data


def read_seed(data: bytes) -> None:
    """Reads a seed file and regenerates its image by a generator that always draws the same."""
    values = np.full((16, 16, 3), 100.25, np.float32)
    for file in (data, mended_container(data)):
        with suppress(CodecError):
            read_origin(file)
            image = SeedCodec(lambda _: values, tolerate=9).decode(file, max_pixels=MAX_PIXELS)
            assert image.shape == values.shape


def _seed_seeds() -> list[bytes]:
    values = smooth_image(16, 16).astype(np.float32) + np.float32(0.4999)
    codec = SeedCodec(lambda _: values)
    image = np.rint(values).astype(np.uint8)
    edited = image.copy()
    edited[3:9, 4:11] = 200 - edited[3:9, 4:11] // 2
    return [
        codec.encode(image, Origin("ab" * 32, "sedan", 7)),
        codec.encode(image, Origin("cd" * 32, "", 2**64 - 1, 0.7)),
        codec.encode(image, Origin("cd" * 32, "ü" * 20, 300, 1 / 3)),
        codec.encode(edited, Origin("ab" * 32, "van", 1)),
    ]


def read_archive(data: bytes) -> None:
    """Reads all members of an archive in their order and by their keys."""
    for file in (data, mended_archive(data)):
        with suppress(CodecError):
            reader = ArchiveReader(io.BytesIO(file))
            keys = [member.key for member in reader]
            assert len(keys) <= len(file)
            for key in [*keys[:50], "none", *list(reader.keys())[:50]]:
                with suppress(CodecError):
                    assert reader.read(key).key == key
                with suppress(CodecError):
                    _ = key in reader
            reader.refresh()


def _archive_seeds() -> list[bytes]:
    closed, tail = io.BytesIO(), io.BytesIO()
    with ArchiveWriter(closed) as writer:
        for number in range(6):
            writer.add(f"key-{number % 5}", b"the same beginning %d " % number * (number % 3 + 1), "png")
            if number == 2:
                writer.flush()
    writer = ArchiveWriter(tail)
    writer.add("a", b"1" * 600, "dct")
    writer.flush()
    writer.add("b", b"2" * 20, "kmeans")
    return [closed.getvalue(), tail.getvalue()]


TARGETS = (
    Target("dct", decode_any, _dct_seeds, max_bytes=2048),
    Target("palette", decode_any, _palette_seeds, max_bytes=2048),
    Target("repack", restore, _repack_seeds, max_bytes=4096),
    Target("jpeg", repack, _jpegs, max_bytes=4096),
    Target("seed", read_seed, _seed_seeds, max_bytes=1024),
    Target("archive", read_archive, _archive_seeds, max_bytes=4096),
)

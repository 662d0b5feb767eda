"""Repacked JPEG files."""

from __future__ import annotations

import io
import json
import random
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from services.compressor.codecs import (
    CodecError,
    CorruptDataError,
    TooManyPixelsError,
    UnsupportedImageError,
    container,
    decode,
    get_codec,
    identify,
    list_codecs,
    list_file_codecs,
    repack,
)
from tests.helpers.jpegs import jpeg, photo

GOLDEN = Path(__file__).parents[3] / "golden/repack"
SMALL = jpeg(photo(21, 14), quality=60)
PACKED = repack.pack(SMALL)


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    mode=st.sampled_from(["L", "RGB", "CMYK"]),
    quality=st.integers(1, 100),
    subsampling=st.sampled_from([0, 1, 2]),
    progressive=st.booleans(),
    optimize=st.booleans(),
    restart=st.sampled_from([{}, {"restart_marker_blocks": 1}, {"restart_marker_rows": 1}]),
    seed=st.integers(0, 9),
)
def test_every_file_comes_back(
    size: tuple[int, int], mode: str, restart: dict[str, int], seed: int, **options: Any
) -> None:
    """A JPEG of any size, mode, quality, subsampling, kind and restart interval comes back byte for byte."""
    data = jpeg(photo(*size, mode, seed=seed), **options, **restart)
    packed = repack.pack(data)
    assert repack.unpack(packed) == data
    assert identify(packed) == "repack"
    assert np.array_equal(decode(packed), decode(data))


@pytest.mark.parametrize("pixels", ["noise", "black", "white", "checks"])
@pytest.mark.parametrize("progressive", [False, True])
def test_hard_contents(pixels: str, progressive: bool) -> None:
    """Noise, flat and checked images at the highest quality come back."""
    image = {
        "noise": np.random.default_rng(1).integers(0, 256, (50, 60, 3), np.uint8),
        "black": np.zeros((50, 60, 3), np.uint8),
        "white": np.full((50, 60, 3), 255, np.uint8),
        "checks": np.indices((50, 60)).sum(axis=0)[..., None].repeat(3, axis=2).astype(np.uint8) % 2 * 255,
    }[pixels]
    for quality in (1, 100):
        data = jpeg(Image.fromarray(image), quality=quality, progressive=progressive, subsampling=0)
        assert repack.unpack(repack.pack(data)) == data


def test_long_runs_of_empty_blocks() -> None:
    """A progressive image with more empty blocks than one run holds comes back."""
    data = jpeg(Image.new("L", (1600, 1500), 77), progressive=True)
    packed = repack.pack(data)
    assert repack.unpack(packed) == data
    assert len(packed) < len(data) / 2


def test_refinement_bits_beyond_libjpeg_s_buffer() -> None:
    """A progressive image of so fine a quality that libjpeg's buffer of bits fills up comes back."""
    data = jpeg(photo(400, 300), progressive=True, quality=97, subsampling=0)
    assert repack.unpack(repack.pack(data)) == data


def _without_last_bits(data: bytes) -> bytes:
    """Returns the file with 0 instead of 1 where the last byte of its scan is filled up."""
    end = data.rindex(b"\xff\xd9")
    return data[: end - 1] + bytes([data[end - 1] & 0xF8]) + data[end:]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"tail",
        lambda data: data + data,
        lambda data: data[:-2],
        lambda data: data[:-2] + b"garbage\x00\xff\x00\xff\xff" + data[-2:],
        lambda data: data[:2] + b"\xff\xfe\x00\x09comment" + b"\xff\xe5\x00\x04ab" + data[2:],
        lambda data: data[:20] + b"\xff\xff\xff" + data[20:],
        lambda data: data[:2] + b"\xff\xe2\x10\x02" + bytes(4096) + data[2:],
        lambda data: data[:-2] + b"\xff\xd0" + data[-2:],
    ],
)
def test_what_stands_around_the_image(change: Any) -> None:
    """Comments, metadata, garbage, fill bytes, stray markers, tails and a missing end come back."""
    data = change(jpeg(photo(30, 20)))
    assert repack.unpack(repack.pack(data)) == data


def test_other_padding() -> None:
    """Bytes filled up with zeros or anything else come back."""
    found = set()
    for seed in range(8):
        data = _without_last_bits(jpeg(photo(24, 24, seed=seed), restart_marker_blocks=1))
        try:
            packed = repack.pack(data)
        except CodecError:
            continue  # the bits belonged to the image
        assert repack.unpack(packed) == data
        found.add(container.unpack(packed, max_pixels=1000).payload[0] & 6)
    assert 4 in found


def test_metadata_and_orientation() -> None:
    """EXIF stays in the file, and the pixels are turned as those of the JPEG."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = jpeg(photo(30, 20), exif=exif)
    packed = repack.pack(data)
    assert repack.unpack(packed) == data
    assert decode(packed).shape == decode(data).shape == (30, 20, 3)


@pytest.mark.parametrize("factors", [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (1, 4), (4, 2)])
def test_sampling_factors(factors: tuple[int, int]) -> None:
    """A single component of any sampling factors is read block by block."""
    data = bytearray(jpeg(photo(37, 29, "L")))
    start = data.index(b"\xff\xc0")
    data[start + 11] = factors[0] << 4 | factors[1]
    assert repack.unpack(repack.pack(bytes(data))) == bytes(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0xC0: 0xC9}, "arithmetic"),
        ({0xC0: 0xC3}, "lossless"),
        ({0xC0: 0xC5}, "hierarchical"),
    ],
)
def test_other_kinds_of_jpeg(change: dict[int, int], message: str) -> None:
    """Arithmetic, lossless and hierarchical JPEGs are refused by name."""
    data = SMALL
    for old, new in change.items():
        data = data.replace(bytes([0xFF, old]), bytes([0xFF, new]))
    with pytest.raises(UnsupportedImageError, match=message):
        repack.pack(data)


def test_twelve_bits_and_two_components() -> None:
    """12-bit samples and two components are refused with what would be accepted."""
    start = SMALL.index(b"\xff\xc0") + 4
    with pytest.raises(UnsupportedImageError, match=r"12-bit .* those with 8 bits can"):
        repack.pack(SMALL[:start] + b"\x0c" + SMALL[start + 1 :])
    frame = SMALL[start - 4 : start - 2] + b"\x00\x0e" + SMALL[start : start + 5] + b"\x02"
    with pytest.raises(UnsupportedImageError, match=r"2 comp.* with 1, 3 or 4 can"):
        repack.pack(SMALL[: start - 4] + frame + SMALL[start + 6 : start + 12] + SMALL[start + 15 :])


@pytest.mark.parametrize("data", [b"", b"\xff", b"GIF89a", b"\xff\xd8\xff", b"\xff\xd8\xff\xd9", SMALL[:300]])
def test_what_is_no_jpeg(data: bytes) -> None:
    """Other files and beginnings of JPEGs are errors with a sentence."""
    with pytest.raises(CorruptDataError, match=r"JPEG"):
        repack.pack(data)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
def test_truncated_jpeg(options: dict[str, Any]) -> None:
    """A JPEG cut anywhere is refused, or what is left comes back as it is."""
    data = jpeg(photo(21, 14), quality=60, **options)
    for end in range(0, len(data), 3):
        try:
            packed = repack.pack(data[:end])
        except CodecError:
            continue
        assert repack.unpack(packed) == data[:end]


def test_altered_jpeg() -> None:
    """A JPEG with wrong bytes is refused or comes back as it is; it never crashes or hangs."""
    random_bytes = random.Random(0)
    for progressive in (False, True):
        data = jpeg(photo(40, 30), quality=60, progressive=progressive)
        for _ in range(400):
            changed = bytearray(data)
            for _ in range(random_bytes.choice([1, 1, 3])):
                changed[random_bytes.randrange(2, len(data))] = random_bytes.randrange(256)
            try:
                packed = repack.pack(bytes(changed), max_pixels=10_000)
            except CodecError:
                continue
            assert repack.unpack(packed) == bytes(changed)


def test_truncated_file() -> None:
    """A repacked file cut anywhere is an error."""
    for end in range(len(PACKED)):
        with pytest.raises(CodecError):
            repack.unpack(PACKED[:end])
    with pytest.raises(CodecError):
        repack.unpack(PACKED + b"\0")


def _sealed(payload: bytes) -> bytes:
    """Returns a payload in a container of its own, with a right checksum."""
    held = container.unpack(PACKED, max_pixels=1000)
    return container.Container(held.codec, held.width_px, held.height_px, held.channels, payload).pack()


def test_altered_file() -> None:
    """Flipped bits in a repacked file are an error; under a new checksum at least never another JPEG."""
    random_bits = random.Random(0)
    payload = container.unpack(PACKED, max_pixels=1000).payload
    assert repack.unpack(_sealed(payload)) == SMALL
    for _ in range(10_000):
        changed = bytearray(PACKED)
        changed[random_bits.randrange(len(PACKED))] ^= 1 << random_bits.randrange(8)
        with pytest.raises(CodecError):
            repack.unpack(bytes(changed))
    for _ in range(1000):
        changed = bytearray(payload)
        changed[random_bits.randrange(len(payload))] ^= 1 << random_bits.randrange(8)
        try:
            assert repack.unpack(_sealed(bytes(changed)), max_pixels=10_000) == SMALL
        except CodecError:
            continue


def test_cut_payload() -> None:
    """A payload cut anywhere under a right checksum is an error or, by chance, the same file."""
    payload = container.unpack(PACKED, max_pixels=1000).payload
    for end in range(len(payload)):
        try:
            assert repack.unpack(_sealed(payload[:end])) == SMALL
        except CodecError:
            continue


def test_pixel_limit() -> None:
    """More pixels than accepted are refused by the header, packing and unpacking."""
    for read in (repack.unpack, decode):
        with pytest.raises(TooManyPixelsError, match=r"21 x 14 = 294 pixels; at most 293"):
            read(PACKED, max_pixels=293)
    with pytest.raises(TooManyPixelsError, match="at most 293"):
        repack.pack(SMALL, max_pixels=293)


def test_foreign_container() -> None:
    """A GanPress file of another codec is no repacked JPEG."""
    with pytest.raises(CorruptDataError):
        repack.unpack(get_codec("dct").encode(np.zeros((8, 8, 3), np.uint8)))


def test_a_codec_of_files() -> None:
    """The codec takes files and refuses pixels; it is listed among those of files alone."""
    codec = repack.Repack()
    assert codec.encode_file(SMALL) == PACKED
    assert codec.restore_file(PACKED) == SMALL
    assert np.array_equal(codec.decode(PACKED), decode(SMALL))
    with pytest.raises(UnsupportedImageError, match="repack takes image/jpeg files, not pixels"):
        codec.encode(np.zeros((8, 8, 3), np.uint8))
    assert repack.Repack in list_file_codecs()
    assert repack.Repack not in list_codecs()
    assert get_codec("repack") == codec


def test_same_file_each_time() -> None:
    """Repacking gives the same bytes each time."""
    assert repack.pack(SMALL) == PACKED


@pytest.mark.parametrize("name", json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8")))
def test_old_files_open(name: str) -> None:
    """Each repacked file ever written gives back the very same JPEG."""
    expected = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))
    assert sha256(repack.unpack((GOLDEN / name).read_bytes())).hexdigest() == expected[name]


@pytest.mark.data
@pytest.mark.parametrize("archive", ["cars.tar", "photos.tar"])
def test_real_photographs(shared_data: Path, archive: str) -> None:
    """Photographs of several origins come back and are at least 12 % smaller together."""
    before = after = 0
    with tarfile.open(shared_data / archive) as tar:
        members = [member for member in tar.getmembers() if member.name.endswith(".jpg")]
        for member in random.Random(0).sample(members, 8):
            file = tar.extractfile(member)
            assert file
            data = file.read()
            packed = repack.pack(data)
            assert repack.unpack(packed) == data
            before += len(data)
            after += len(packed)
    assert after < 0.88 * before


@pytest.mark.data
def test_targets_on_kodak(shared_data: Path) -> None:
    """A default JPEG loses at least 19 %, an optimised one 16 %."""
    with tarfile.open(shared_data / "kodak.tar") as tar:
        file = tar.extractfile(next(member for member in tar.getmembers() if member.name.endswith(".png")))
        assert file
        image = Image.open(io.BytesIO(file.read()))
    for options, most in (({}, 0.81), ({"optimize": True}, 0.84)):
        data = jpeg(image, **options)
        assert len(repack.pack(data)) < most * len(data)

"""Reading image files of others."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from services.compressor.codecs import (
    CodecError,
    CorruptDataError,
    Pixels,
    TooManyPixelsError,
    UnsupportedImageError,
    decode,
    get_codec,
    identify,
)
from tests.helpers.images import smooth_image

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "JPEG2000", "TIFF", "GIF", "BMP", "TGA")
PHOTO = Image.fromarray(smooth_image(48, 32))


def saved(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    """Returns a file as Pillow writes it."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def as_rgb(data: bytes) -> Pixels:
    """Returns what Pillow itself sees in a file."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def png_header(width_px: int, height_px: int) -> bytes:
    """Returns a PNG that announces a size and holds almost nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_is_read(file_format: str) -> None:
    """Each format that the API promises is recognised and read."""
    data = saved(PHOTO, file_format)
    assert identify(data) == file_format.lower()
    assert np.array_equal(decode(data), as_rgb(data))


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files(file_format: str, share: float) -> None:
    """A file without its end is corrupt, in one sentence."""
    data = saved(PHOTO, file_format)
    with pytest.raises(CorruptDataError) as error:
        decode(data[: int(share * len(data))])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 300,
        b"This is a text file named photo.png.\n" * 10,
        b"\x89PNG",
        bytes(range(256)),
        b"{}",
    ],
)
def test_what_is_no_image(data: bytes) -> None:
    """Empty, text and other files are no images; the message says what was found and what is read."""
    with pytest.raises(CorruptDataError, match=r"not an image.*expected PNG, JPEG"):
        decode(data)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FORMATS), st.data())
def test_altered_files(file_format: str, data: st.DataObject) -> None:
    """Whatever is altered in a file, the outcome is an image or one of our errors."""
    altered = bytearray(saved(PHOTO.resize((12, 9)), file_format))
    for _ in range(data.draw(st.integers(1, 4))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
    with suppress(CodecError):
        assert decode(bytes(altered), max_pixels=2**16).ndim == 3


@pytest.mark.parametrize(("width_px", "height_px"), [(20_000, 20_000), (9_000, 9_000), (2**31 - 1, 1)])
def test_decompression_bomb(width_px: int, height_px: int) -> None:
    """A few bytes that announce a huge image are refused by the header alone."""
    with pytest.raises(TooManyPixelsError, match="pixels"):
        decode(png_header(width_px, height_px))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_exif_orientation_is_applied_once(orientation: int, file_format: str) -> None:
    """A photograph taken with a turned camera is decoded upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(PHOTO, file_format, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert np.array_equal(decode(data), np.asarray(upright))


def test_broken_exif() -> None:
    """Metadata that makes no sense does not cost the image."""
    assert decode(saved(PHOTO, "JPEG", exif=b"Exif\0\0nonsense")).shape == (32, 48, 3)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled(file_format: str) -> None:
    """16-bit samples keep their upper 8 bits instead of being clipped to white."""
    ramp = np.arange(0, 65536, 64, np.uint16).reshape(32, 32)
    decoded = decode(saved(Image.fromarray(ramp), file_format))
    assert np.array_equal(decoded[..., 0], ramp >> 8)


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("L", 1), ("LA", 4), ("P", 3), ("RGB", 3), ("RGBA", 4)]
)
def test_modes(mode: str, channels: int) -> None:
    """Each kind of pixels becomes grey, RGB or RGBA with the values that Pillow sees."""
    image = PHOTO.convert(mode)
    decoded = decode(saved(image))
    wanted = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    assert np.array_equal(decoded.squeeze(), np.asarray(image.convert(wanted)))


def test_palette_with_transparency() -> None:
    """A palette with a transparent colour becomes RGBA."""
    decoded = decode(saved(PHOTO.quantize(16), transparency=3))
    assert decoded.shape[2] == 4
    assert 0 < np.count_nonzero(decoded[..., 3] == 0) < decoded[..., 3].size


def test_cmyk_jpeg() -> None:
    """A CMYK photograph, inverted as Adobe writes it, has the colours of the RGB one."""
    decoded = decode(saved(PHOTO.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(decoded.astype(int) - np.asarray(PHOTO)).mean() < 5


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_samples_that_are_not_supported(dtype: type) -> None:
    """Floating-point and 32-bit samples are refused rather than clipped."""
    with pytest.raises(UnsupportedImageError, match="samples are not supported"):
        decode(saved(Image.fromarray(np.zeros((8, 8), dtype)), "TIFF"))


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_animations_are_refused(file_format: str) -> None:
    """No frame is silently lost: a file of several is refused."""
    frames = [PHOTO.rotate(30 * i) for i in range(3)]
    data = saved(frames[0], file_format, save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedImageError, match="holds 3 frames or pages"):
        decode(data)


def test_tga_without_footer() -> None:
    """TGA 1.0 has neither magic number nor footer and is read all the same."""
    data = get_codec("tga").encode(smooth_image(20, 10))
    assert data.endswith(b"TRUEVISION-XFILE.\0")
    assert np.array_equal(decode(data[:-26]), smooth_image(20, 10))


@pytest.mark.data
def test_real_photographs(shared_data: Path) -> None:
    """Real photographs go through the three techniques at a useful quality."""
    from services.compressor.codecs import psnr

    with tarfile.open(shared_data / "photos.tar") as archive:
        members = [archive.extractfile(name) for name in ("car_640x480.jpg",)]
        data = members[0].read() if members[0] else b""
    image = decode(data)
    assert image.shape == (480, 640, 3)
    for codec_id, options, least_db in (
        ("dct", {"quality": 75}, 29),
        ("kmeans", {"k": 64}, 30),
        ("jpeg", {}, 30),
    ):
        assert psnr(image, decode(get_codec(codec_id, **options).encode(image))) > least_db

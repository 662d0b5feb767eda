"""One image from file to array."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.helpers.images import image_file, jpeg_file, png_file
from trainer.data.decode import check_name, decode
from trainer.data.errors import UnusableError
from trainer.data.raw import RawImage

HALVES = np.zeros((40, 60, 3), np.uint8)
HALVES[:20] = (255, 0, 0)


def saved(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    """Returns an image file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def decoded(data: bytes | None, channels: int = 3) -> np.ndarray:
    """Returns the file as 32 px."""
    return decode(RawImage("x.png", data), 32, channels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size_px", [32, 64, 128])
def test_shape(size_px: int, channels: int) -> None:
    """Images have the size and channels asked for, whatever those of the file."""
    for data in (png_file(50, 30, 1), png_file(50, 30, 3), png_file(50, 30, 4)):
        image = decode(RawImage("x.png", data), size_px, channels)
        assert (image.shape, image.dtype) == ((channels, size_px, size_px), np.uint8)


def test_orientation_and_palette() -> None:
    """Palette and EXIF-turned files become upright RGB."""
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = decoded(saved(Image.fromarray(HALVES).quantize(4)))
    turned = decoded(saved(Image.fromarray(HALVES), "JPEG", exif=exif, quality=95))
    assert palette[0, :12].min() > 240
    assert turned[0, :, -12:].min() > 230


def test_transparent_parts_become_white() -> None:
    """What cannot be seen does not show."""
    pixels = np.dstack([HALVES, np.full((40, 60), 255, np.uint8)])
    pixels[20:, :, 3] = 0
    assert decoded(image_file(pixels))[:, -12:].min() > 240


def test_sixteen_bits_are_scaled() -> None:
    """A 16-bit grey file keeps its levels."""
    levels = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    image = decoded(saved(Image.fromarray(levels)), channels=1)
    assert image.min() < 8
    assert image.max() > 247
    assert abs(image.mean() - 127) < 2


def test_box_is_cut_within_the_image() -> None:
    """A box that reaches beyond the image is cut at its edge; one outside is a reason."""
    inside = decode(RawImage("x.png", image_file(HALVES), box_px=(-9, -9, 999, 35)), 32, 3)
    assert inside[0, -10:].max() < 30
    with pytest.raises(UnusableError, match="box outside its photo"):
        decode(RawImage("x.png", image_file(HALVES), box_px=(70, 0, 90, 30)), 32, 3)
    with pytest.raises(UnusableError, match="smaller than 24 px"):
        decode(RawImage("x.png", image_file(HALVES), box_px=(0, 0, 20, 30)), 32, 3)


def bomb(side_px: int) -> bytes:
    """Returns a PNG of a header alone."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return data + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"text", "not an image"),
        (b"", "not an image"),
        (None, "photo missing"),
        (jpeg_file(60, 40)[:300], "broken image"),
        (jpeg_file(200, 200)[:-400], "broken image"),
        (png_file(60, 40)[:-30], "broken image"),
        (jpeg_file(60, 20), "smaller than 24 px"),
        (image_file(np.full((40, 40, 3), 90, np.uint8)), "blank"),
        (bomb(8_000), "more than 50000000 pixels"),
        (bomb(60_000), "more than 50000000 pixels"),
    ],
)
def test_unusable_files_have_a_reason(data: bytes | None, reason: str) -> None:
    """What cannot be trained on is refused with its reason, however much of it can be decoded."""
    with pytest.raises(UnusableError) as caught:
        decoded(data)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a/.DS_Store", "junk file of an operating system"),
        ("a/_DS_Store", "junk file of an operating system"),
        ("a/Thumbs.db", "junk file of an operating system"),
        ("a/._1.jpg", "junk file of an operating system"),
        ("labels.csv", "no image by its name"),
    ],
)
def test_some_names_are_no_images(name: str, reason: str) -> None:
    """What operating systems and authors leave beside images is told by its name."""
    with pytest.raises(UnusableError, match=reason):
        check_name(name)
    check_name("a/1.jpg")
    check_name("a/without ending")

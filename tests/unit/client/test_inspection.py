"""What files say about themselves."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageCms

from client.errors import InputError
from client.inspection import inspect_image
from services.compressor.codecs import container, get_codec, list_codecs
from services.generator.images import FileFormat, Provenance, encode_image
from tests.helpers.images import image_file, jpeg_file, smooth_image

IMAGE = smooth_image(20, 10)


@pytest.mark.parametrize("codec", [codec.id for codec in list_codecs()])
def test_every_codecs_files_are_recognised(codec: str) -> None:
    """Codec, size and rate of whatever a codec wrote."""
    data = get_codec(codec).encode(IMAGE)
    found = inspect_image(data)
    assert (found.codec, found.width_px, found.height_px, found.channels) == (codec, 20, 10, 3)
    assert found.size_bytes == len(data)
    assert found.bits_per_pixel == 8 * len(data) / 200


@pytest.mark.parametrize(
    ("codec", "options", "settings"),
    [
        ("dct", {"quality": 60}, {"color_space": "ycbcr", "subsampling": "444", "step": 32.94}),
        ("dct", {"threshold": 0.1}, {"color_space": "rgb", "subsampling": "444", "step": 1.0}),
        ("kmeans", {"k": 5}, {"k": 5}),
        ("kmeans", {"k": 5, "pack": True}, {"k": 5, "pack": True}),
        ("jpeg", {"subsampling": "422", "progressive": True}, {"subsampling": "422", "progressive": True}),
        ("webp", {"lossless": True}, {"lossless": True}),
        ("webp", {}, {"lossless": False}),
        ("tiff", {}, {"compression": "tiff_lzw"}),
        ("tga", {}, {"compression": "tga_rle"}),
    ],
)
def test_settings_that_a_file_shows(codec: str, options: dict[str, Any], settings: dict[str, Any]) -> None:
    """What a file still tells of how it was made is reported."""
    assert inspect_image(get_codec(codec, **options).encode(IMAGE)).settings == settings


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_generated_files_tell_where_they_come_from(file_format: FileFormat) -> None:
    """Every format of a generated image tells the same of its origin."""
    provenance = Provenance("cars", 2, "ab" * 32, "suv", 2**64 - 1, 0.7, {}, 5, 0.25)
    assert inspect_image(encode_image(IMAGE, provenance, file_format)).provenance == {
        "model": "cars",
        "version": "2",
        "digest": "ab" * 32,
        "label": "suv",
        "seed": "18446744073709551615",
        "truncation": "0.7",
        "to_seed": "5",
        "position": "0.25",
    }


@pytest.mark.parametrize("description", ["", "a car", "[1]", "{"])
def test_foreign_exif_is_no_provenance(description: str) -> None:
    """A description that is not ours, whatever program it names, says nothing of a model."""
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = "GanPress 0"
    exif[ExifTags.Base.ImageDescription] = description
    buffer = io.BytesIO()
    Image.fromarray(IMAGE).save(buffer, "JPEG", exif=exif)
    assert inspect_image(buffer.getvalue()).provenance == {}


def test_formats_of_no_codec_have_their_own_name() -> None:
    """A BMP is a BMP; it has no settings and no provenance."""
    found = inspect_image(image_file(IMAGE, "BMP"))
    assert (found.codec, found.settings, found.provenance) == ("bmp", {}, {})


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\x89GPC", b"\x89PNG\r\n\x1a\n"])
def test_no_image_is_told(data: bytes) -> None:
    """What is no image is an error with a sentence."""
    with pytest.raises(InputError):
        inspect_image(data)


def test_samples_frames_metadata_and_turns() -> None:
    """What a file holds beside its pixels is told."""
    picture = Image.fromarray(smooth_image(12, 10))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    file = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(file, "JPEG", exif=exif, icc_profile=profile)
    found = inspect_image(file.getvalue())
    assert (found.samples, found.orientation, set(found.metadata)) == ("RGB", 6, {"exif", "icc"})
    file = io.BytesIO()
    picture.save(file, "GIF", save_all=True, append_images=[picture.transpose(0)], duration=50)
    assert inspect_image(file.getvalue()).frames == 2
    file = io.BytesIO()
    picture.convert("CMYK").save(file, "JPEG")
    assert (inspect_image(file.getvalue()).samples, inspect_image(file.getvalue()).channels) == ("CMYK", 4)


@pytest.mark.parametrize("codec", ["dct", "png"])
def test_checksums_are_checked(codec: str) -> None:
    """Of an altered file the header is told, and that its checksum does not match."""
    data = bytearray(get_codec(codec).encode(smooth_image(40, 30)))
    assert inspect_image(bytes(data)).checksum == "ok"
    data[-20] ^= 1
    found = inspect_image(bytes(data))
    assert (found.codec, found.width_px, found.height_px) == (codec, 40, 30)
    assert (found.checksum, found.is_sound) == ("mismatch", False)
    assert inspect_image(jpeg_file(8, 8)).checksum == "none"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89G\x23 what comes", "version not known: its third byte is 23"),
        (b"\x89G", "version not known: its third byte is missing"),
        (b"\x89GPA\x01\0\0\0", "is a GanPress archive of many images"),
    ],
)
def test_files_of_other_kinds_of_ours(data: bytes, message: str) -> None:
    """A file of a newer version and an archive are told apart from files that are no images."""
    with pytest.raises(InputError, match=message):
        inspect_image(data)


@pytest.mark.parametrize("codec", [container.DCT, container.PALETTE, container.JPEG])
def test_sound_files_with_nothing_in_them(codec: int) -> None:
    """A file whose checksum is right may still be too short for what its codec begins with."""
    with pytest.raises(InputError, match=r"too short|truncated|broken"):
        inspect_image(container.Container(codec, 8, 8, 3, b"").pack())

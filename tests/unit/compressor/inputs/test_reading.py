"""Files of every kind: what they become, and what is told of what was lost."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from services.compressor.codecs import (
    CodecError,
    CorruptDataError,
    Extras,
    InvalidOptionError,
    TooManyPixelsError,
    UnsupportedImageError,
    decode,
    get_codec,
    list_codecs,
)
from services.compressor.inputs import Picture, Wishes, input_formats, jpegxl, read
from tests.helpers.images import smooth_image

WIDTH, HEIGHT = 50, 40
RGB = smooth_image(WIDTH, HEIGHT)
HEIC = Path(__file__).parents[3] / "golden/inputs/turned.heic"


def file(image: Image.Image | NDArray[Any], file_format: str = "PNG", **options: Any) -> bytes:
    """Returns an image file."""
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def kinds(picture: Picture) -> list[str]:
    """Returns the kinds of what was changed."""
    return [change.kind for change in picture.changes]


@cache
def profile(name: str = "sRGB") -> bytes:
    """Returns a profile of its own kind, made once, since it holds the time; its primaries are not sRGB's."""
    made: Any = ImageCms.createProfile(name)  # type: ignore[arg-type]
    return ImageCms.ImageCmsProfile(made).tobytes()


def wide_profile() -> bytes:
    """Returns an RGB profile whose red and green are those of sRGB in the other order, without a name."""
    data = bytearray(profile())
    count = struct.unpack_from(">I", data, 128)[0]
    tags = {bytes(data[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data).replace("sRGB".encode("utf-16-be"), "abcd".encode("utf-16-be"))


@pytest.mark.parametrize(
    ("mode", "file_format", "channels", "samples"),
    [
        ("RGB", "PNG", 3, "RGB"),
        ("RGB", "JPEG", 3, "RGB"),
        ("L", "JPEG", 1, "grey"),
        ("1", "PNG", 1, "black and white"),
        ("P", "GIF", 3, "palette"),
        ("LA", "PNG", 4, "grey with transparency"),
        ("RGBA", "WEBP", 4, "RGBA"),
        ("RGB", "BMP", 3, "RGB"),
        ("RGB", "TGA", 3, "RGB"),
        ("RGB", "TIFF", 3, "RGB"),
    ],
)
def test_plain_images(mode: str, file_format: str, channels: int, samples: str) -> None:
    """Images that need nothing but their samples are read without a change."""
    image = Image.fromarray(smooth_image(WIDTH, HEIGHT, 4)).convert(mode)
    options = {"lossless": True} if file_format == "WEBP" else {}
    picture = read(file(image, file_format, **options))
    assert picture.first.shape == (HEIGHT, WIDTH, channels)
    assert (picture.format, picture.samples, picture.changes) == (file_format.lower(), samples, ())
    assert not picture.extras


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation(orientation: int, file_format: str) -> None:
    """An orientation is applied once, told, and not kept beside the upright samples."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = orientation, "Maker"
    options = (
        {"quality": 95} if file_format == "JPEG" else {"lossless": True} if file_format == "WEBP" else {}
    )
    data = file(RGB, file_format, exif=exif, **options)
    picture = read(data, Wishes(keeps_metadata=True))
    assert picture.first.shape[:2] == ((HEIGHT, WIDTH) if orientation < 5 else (WIDTH, HEIGHT))
    if file_format != "TIFF":  # which Pillow turns while it loads, without a word
        assert ("orientation_applied" in kinds(picture)) == (orientation > 1)
    if file_format == "PNG" and orientation == 6:
        assert np.array_equal(picture.first, np.rot90(RGB, -1))
    assert picture.extras.exif
    again = get_codec("png").encode_frames(picture.frames, picture.extras)
    back = read(again, Wishes(keeps_metadata=True))
    assert np.array_equal(back.first, picture.first)
    assert Image.open(io.BytesIO(again)).getexif()[ExifTags.Base.Make] == "Maker"


def test_color_profile_is_converted() -> None:
    """Colours of another space become those of sRGB, and their profile is not kept."""
    picture = read(file(RGB, icc_profile=wide_profile()))
    assert kinds(picture) == ["profile_converted"]
    assert not picture.changes[0].is_loss
    assert np.abs(picture.first.astype(int) - RGB).max() > 5
    assert picture.extras.icc_profile is None
    grey = read(file(RGB[..., 0], icc_profile=wide_profile()))
    assert kinds(grey) == ["profile_dropped"]  # it is none for grey


@pytest.mark.parametrize("codec", [codec for codec in list_codecs() if codec.keeps_metadata])
def test_color_profile_and_metadata_are_kept(codec: Any) -> None:
    """Profile, EXIF and XMP come through every codec that says so, and the samples stay as they are."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="1"/></x:xmpmeta>'
    data = file(RGB, "JPEG", quality=95, icc_profile=wide_profile(), exif=exif, xmp=xmp)
    wishes = Wishes(keeps_profile=True, keeps_metadata=True)
    picture = read(data, wishes)
    assert picture.changes == ()
    assert np.array_equal(picture.first, decode(data))
    back = read(codec().encode_frames(picture.frames, picture.extras), wishes)
    assert back.extras.icc_profile == wide_profile()
    assert back.extras.exif
    assert b"Maker" in back.extras.exif
    assert back.extras.xmp == xmp


def test_orientation_in_xmp() -> None:
    """An orientation that only XMP tells is applied, and set to upright in what is kept."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    picture = read(file(RGB, "JPEG", xmp=xmp), Wishes(keeps_metadata=True))
    assert picture.first.shape[:2] == (WIDTH, HEIGHT)
    assert picture.extras.xmp == xmp.replace(b'"6"', b'"1"')


def test_metadata_left_out_is_told() -> None:
    """What else a file says of itself is named when it is left out."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    assert read(file(RGB, "JPEG", exif=exif, comment="hello")).changes[0].text == "EXIF, a comment left out"
    data = file(RGB, "PNG")
    text = b"tEXtTitle\0A car"
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    assert read(data[:33] + chunk + data[33:]).changes[0].text == "the text 'Title' left out"
    assert read(file(RGB, "TIFF")).changes == ()


def test_codecs_that_keep_nothing_refuse_to() -> None:
    """A wish that a codec cannot fulfil is refused with those that can."""
    for wishes, able in (
        (Wishes(keeps_profile=True), "avif, jpeg, png, tiff, webp"),
        (Wishes(keeps_metadata=True), "avif, jpeg, png, tiff, webp"),
        (Wishes(takes_all_frames=True), "avif, png, webp"),
    ):
        with pytest.raises(InvalidOptionError, match=f"these can: {able}"):
            wishes.check(type(get_codec("dct")))
    with pytest.raises(UnsupportedImageError, match="dct cannot keep EXIF"):
        get_codec("dct").encode_frames([RGB], Extras(exif=b"x"))
    with pytest.raises(InvalidOptionError, match="#ffffff"):
        Wishes(background="white")


def test_sixteen_bits() -> None:
    """Samples of 16 bits keep their upper ones, and that is told."""
    grey = RGB[..., 0].astype(np.uint16) * 257
    picture = read(file(grey))
    assert np.array_equal(picture.first[..., 0], RGB[..., 0])
    assert (picture.samples, kinds(picture)) == ("16-bit grey", ["depth_reduced"])
    rows = b"".join(b"\0" + (RGB[y].astype(">u2") * 257).tobytes() for y in range(HEIGHT))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    colour = read(data)
    assert np.array_equal(colour.first, RGB)
    assert (colour.samples, kinds(colour)) == ("16-bit RGB", ["depth_reduced"])


def test_cmyk_and_lab() -> None:
    """CMYK without a profile and CIE L*a*b* become RGB, and that is told."""
    picture = read(file(Image.fromarray(RGB).convert("CMYK"), "JPEG", quality=95))
    assert (picture.samples, kinds(picture)) == ("CMYK", ["colors_converted"])
    assert np.abs(picture.first.astype(int) - RGB).mean() < 4
    spaces: list[Any] = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]  # type: ignore[arg-type]
    lab: Any = ImageCms.applyTransform(
        Image.fromarray(RGB),
        ImageCms.buildTransform(*spaces, "RGB", "LAB"),  # type: ignore[arg-type]
    )
    picture = read(file(lab, "TIFF"))
    assert kinds(picture) == ["colors_converted"]
    assert np.abs(picture.first.astype(int) - RGB).mean() < 3


def test_transparency() -> None:
    """Transparency of any kind is kept, or laid on a colour when that is wished; an opaque one may go."""
    rgba = smooth_image(WIDTH, HEIGHT, 4)
    assert np.array_equal(read(file(rgba)).first, rgba)
    tinted = read(file(np.dstack([RGB, np.zeros((HEIGHT, WIDTH), np.uint8)])), Wishes(background="#102030"))
    assert np.array_equal(np.unique(tinted.first.reshape(-1, 3), axis=0), [[0x10, 0x20, 0x30]])
    assert kinds(tinted) == ["transparency_flattened"]
    indexed = Image.fromarray(RGB[..., 0] // 64).convert("P")
    assert read(file(indexed, transparency=1)).first.shape[2] == 4
    opaque = np.dstack([RGB, np.full((HEIGHT, WIDTH), 255, np.uint8)])
    assert np.array_equal(read(file(opaque), Wishes(holds_alpha=False)).first, RGB)
    assert read(file(opaque)).first.shape[2] == 4


def test_frames() -> None:
    """The first frame is taken and the others told, or all are, and come back from what keeps them."""
    frames = [Image.fromarray(np.roll(RGB, shift, axis=1)) for shift in (0, 9, 20)]
    options = {"save_all": True, "append_images": frames[1:], "lossless": True, "loop": 3}
    data = file(frames[0], "WEBP", duration=[40, 80, 120], **options)
    first = read(data)
    assert (len(first.frames), first.frames_in_file, kinds(first)) == (1, 3, ["frames_dropped"])
    assert first.changes[0].text == "the first was taken, the other 2 frames left out"
    everything = read(data, Wishes(takes_all_frames=True))
    assert (everything.durations_ms, everything.loops, everything.changes) == ((40, 80, 120), 3, ())
    for codec_id in ("webp", "avif", "png"):
        codec = get_codec(codec_id)
        again = codec.encode_frames(
            everything.frames, everything.extras, durations_ms=everything.durations_ms, loops=everything.loops
        )
        back = read(again, Wishes(takes_all_frames=True))
        assert back.durations_ms == (40, 80, 120)
        for a, b in zip(everything.frames, back.frames, strict=True):
            assert np.abs(a.astype(int) - b).mean() < (0.01 if codec_id == "png" else 12)
    with pytest.raises(TooManyPixelsError):
        read(data, Wishes(takes_all_frames=True), max_pixels=2 * WIDTH * HEIGHT)
    pages = file(frames[0], "TIFF", save_all=True, append_images=[frames[1].resize((7, 5))])
    assert read(pages).changes[0].text == "the first was taken, the other page left out"
    with pytest.raises(UnsupportedImageError, match="different sizes"):
        read(pages, Wishes(takes_all_frames=True))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_bytes_behind_the_end(options: dict[str, Any]) -> None:
    """Bytes behind an image are counted, and a file without them has none."""
    for file_format in ("JPEG", "PNG", "WEBP"):
        data = file(RGB, file_format, **(options if file_format == "JPEG" else {}))
        assert read(data).changes == ()
        picture = read(data + b"garbage")
        assert kinds(picture) == ["trailing_bytes_dropped"]
        assert picture.changes[0].text.startswith("7 bytes")


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_tiny_and_thin(size: tuple[int, int]) -> None:
    """Images of one pixel and of one row are read like all others."""
    assert read(file(Image.new("RGB", size, (9, 8, 7)))).first.shape == (size[1], size[0], 3)


def test_huge() -> None:
    """An image of too many pixels is refused by its header, in every format that can announce them."""
    with pytest.raises(TooManyPixelsError):
        read(file(Image.new("1", (20_000, 20_000))))


def png_chunks(**chunks: bytes) -> bytes:
    """Returns a PNG with these chunks."""
    info = PngImagePlugin.PngInfo()
    for name, data in chunks.items():
        info.add(name.encode(), data)
    return file(RGB, pnginfo=info)


def test_gamma_and_chromaticities() -> None:
    """What a PNG says of its colours and nobody heeds is told, unless it is what sRGB is."""
    srgb = [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000]
    wide = [31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000]
    linear, usual = struct.pack(">I", 100_000), struct.pack(">I", 45_455)
    assert kinds(read(png_chunks(gAMA=usual, cHRM=struct.pack(">8I", *srgb)))) == []
    assert kinds(read(png_chunks(gAMA=linear, sRGB=b"\0"))) == []
    (change,) = read(png_chunks(gAMA=linear)).changes
    assert (change.kind, change.is_loss) == ("profile_dropped", True)
    assert "the gamma 1 left out" in change.text
    (change,) = read(png_chunks(gAMA=usual, cHRM=struct.pack(">8I", *wide))).changes
    assert change.text.startswith("the chromaticities left out")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (file(np.zeros((8, 8), np.float32), "TIFF"), "floating-point samples are not supported"),
        (file(np.zeros((8, 8), np.int32), "TIFF"), "32-bit samples are not supported"),
        (file(RGB, "TIFF", tiffinfo={339: (3, 3, 3)}), "a TIFF of 3 floating-point samples of 8 bits"),
        (file(RGB, "TIFF").replace(b"\x08\0" * 3, b"\x20\0" * 3), "a TIFF of 3 samples of 32 bits a pixel"),
    ],
)
def test_samples_that_are_not_supported(data: bytes, message: str) -> None:
    """Samples of which nothing says what white is are refused by name, never guessed or called no image."""
    with pytest.raises(UnsupportedImageError, match=message):
        read(data)


@pytest.mark.parametrize(
    ("module", "data", "message"),
    [
        ("pi_heif", HEIC.read_bytes(), "a HEIC image needs the package pi-heif"),
        ("pillow_jxl", b"\xff\x0a" + bytes(32), "a JPEG XL image needs the package pillow-jxl-plugin"),
    ],
)
def test_missing_plugin(module: str, data: bytes, message: str) -> None:
    """Without its plug-in a format is refused with the package that reads it."""
    program = (
        f"import sys; sys.modules.update({module}=None, pillow_heif=None)\n"
        "from services.compressor.inputs import read\n"
        "read(sys.stdin.buffer.read())"
    )
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, input=data, capture_output=True, check=False)
    assert f"MissingPackageError: {message}" in ended.stderr.decode()


def test_heic() -> None:
    """A HEIC photograph is read through its plug-in, upright."""
    pytest.importorskip("pi_heif")
    picture = read(HEIC.read_bytes(), Wishes(keeps_metadata=True))
    assert picture.first.shape == (32, 16, 3)
    assert (picture.format, kinds(picture)) == ("heic", ["orientation_applied"])
    assert np.abs(picture.first.astype(int) - [200, 60, 30]).max() < 12
    assert "heic" in input_formats()


@pytest.mark.parametrize("size", [(8, 8), (64, 48), (256, 256), (50, 40), (300, 17), (1920, 1080), (1, 5)])
def test_jpegxl(size: tuple[int, int]) -> None:
    """A JPEG XL is read through its plug-in, and its size is known and checked beforehand."""
    pytest.importorskip("pillow_jxl")
    for options in ({}, {"use_container": True}):
        data = file(Image.new("RGB", size, (200, 60, 30)), "JXL", **options)
        assert jpegxl.size(data) == size
        assert read(data).first.shape == (size[1], size[0], 3)
        with pytest.raises(TooManyPixelsError):
            read(data, max_pixels=size[0] * size[1] - 1)


@given(st.data())
def test_broken_files(data: st.DataObject) -> None:
    """A file with altered bytes, or cut, gives an image or one of the library's errors."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    file_format = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "GIF", "JXL"]))
    options = {} if file_format in ("GIF", "JXL") else {"exif": exif, "icc_profile": profile()}
    broken = bytearray(file(RGB, file_format, **options))
    for _ in range(data.draw(st.integers(0, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(broken[: data.draw(st.integers(0, len(broken)))])
    try:
        picture = read(cut, Wishes(keeps_metadata=True), max_pixels=10**5)
        assert picture.first.dtype == np.uint8
    except CodecError as error:
        assert str(error)  # noqa: PT017 - most examples raise nothing


def test_no_image() -> None:
    """What is no image is refused."""
    for data in (b"", b"hello", b"\xff\x0a", b"\xff\xd8\xff"):
        with pytest.raises(CorruptDataError):
            read(data)


@pytest.mark.parametrize("codec_id", ["kmeans", "jpeg2000"])
def test_our_files(codec_id: str) -> None:
    """What the codecs write is read as they read it."""
    data = get_codec(codec_id).encode(RGB)
    picture = read(data)
    assert picture.format == codec_id
    assert np.array_equal(picture.first, decode(data))

"""What every codec promises."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.compressor.codecs import (
    Codec,
    CorruptDataError,
    InvalidOptionError,
    Pixels,
    TooManyPixelsError,
    UnknownCodecError,
    UnsupportedImageError,
    decode,
    get_codec,
    identify,
    list_codecs,
    psnr,
)
from services.compressor.codecs.registry import register
from tests.helpers.images import smooth_image

CODECS = list_codecs()
LEAST_PSNR_DB = {"dct": 33, "kmeans": 33, "jpeg": 33, "webp": 33, "avif": 33, "gif": 33}
"""Of a smooth image with a sharp disc under the default options."""

REFUSING = {"jpeg", "gif"}
"""Codecs that refuse transparency, or half transparency."""

every_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.id)


def image_of(width_px: int, height_px: int, channels: int) -> Pixels:
    """Returns a synthetic image, [height, width, channels]."""
    return smooth_image(width_px, height_px, channels).reshape(height_px, width_px, channels)


def same_image(original: Pixels, decoded: Pixels, codec: type[Codec]) -> bool:
    """Tells whether the decoded image has the size it should have, and the pixels of a lossless codec."""
    channels = original.shape[2] if original.shape[2] in codec.channels else 3
    if codec.id in ("webp", "avif") and channels == 4 and (original[..., 3] == 255).all():
        channels = 3  # libwebp and libavif leave out a transparency that nothing has
    shape_kept = decoded.shape == (*original.shape[:2], channels)
    return shape_kept and (not codec.is_lossless or np.array_equal(original, decoded))


@pytest.mark.parametrize(
    ("codec", "channels"),
    [
        pytest.param(codec, channels, id=f"{codec.id}-{channels}")
        for codec in CODECS
        for channels in (1, 3, 4)
        if codec.id not in REFUSING or channels < 4
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (1, 13), (13, 1), (8, 8), (9, 7), (64, 48), (67, 33)])
def test_round_trip(codec: type[Codec], channels: int, size: tuple[int, int]) -> None:
    """Every codec gives back an image of every size and number of channels; a lossless one each pixel."""
    image = image_of(*size, channels)
    data = codec().encode(image)
    assert same_image(image, codec.decode(data), codec)
    assert np.array_equal(decode(data), codec.decode(data))
    assert identify(data) == codec.id


@every_codec
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_round_trip_of_any_pixels(codec: type[Codec], data: st.DataObject) -> None:
    """No pattern of pixels breaks a codec."""
    channels = data.draw(st.sampled_from([n for n in (1, 3, 4) if codec.id not in REFUSING or n < 4]))
    sides = st.integers(1, 20)
    image = data.draw(arrays(np.uint8, (data.draw(sides), data.draw(sides), channels)))
    assert same_image(image, decode(codec().encode(image)), codec)


@every_codec
def test_quality_under_default_options(codec: type[Codec]) -> None:
    """The defaults lose little."""
    image = image_of(96, 80, 3)
    assert psnr(image, decode(codec().encode(image))) >= LEAST_PSNR_DB.get(codec.id, np.inf)


@every_codec
def test_same_image_same_file(codec: type[Codec]) -> None:
    """A codec writes the same bytes each time."""
    image = image_of(70, 50, 3)
    assert codec().encode(image) == codec().encode(image)


@every_codec
def test_description_is_complete(codec: type[Codec]) -> None:
    """Each codec tells a reader what it is and what its options take."""
    assert codec.technique in {"dct", "kmeans", "pillow"}
    assert codec.description.endswith(".")
    assert "/" in codec.media_type
    assert codec.file_extension.startswith(".")
    for parameter in codec.parameters():
        assert parameter.accepts
        assert parameter.description.endswith(".")


@every_codec
def test_pixel_limit(codec: type[Codec]) -> None:
    """A file of more pixels than accepted is refused, one of just as many is not."""
    data = codec().encode(image_of(20, 10, 3))
    assert decode(data, max_pixels=200).shape[:2] == (10, 20)
    for read in (decode, codec.decode):
        with pytest.raises(TooManyPixelsError, match=r"20 x 10 = 200 pixels; at most 199"):
            read(data, max_pixels=199)


@every_codec
def test_foreign_file(codec: type[Codec]) -> None:
    """A codec refuses to decode the file of another one."""
    other = "tiff" if codec.id != "tiff" else "png"
    with pytest.raises(CorruptDataError):
        codec.decode(get_codec(other).encode(image_of(8, 8, 3)))


@pytest.mark.parametrize(
    ("codec_id", "options", "message"),
    [
        ("dct", {"quality": 0}, "dct option quality takes 1..100, not 0"),
        ("dct", {"quality": 101}, "not 101"),
        ("dct", {"quality": True}, "not True"),
        ("dct", {"quality": 80.5}, r"not 80\.5"),
        ("dct", {"threshold": 0}, "dct option threshold takes above 0, below 1, not 0"),
        ("dct", {"threshold": 1.0}, r"not 1\.0"),
        ("dct", {"threshold": float("nan")}, "not nan"),
        ("dct", {"threshold": 0.01, "quality": 80}, "threshold or quality, not both"),
        ("dct", {"color_space": "lab"}, "takes rgb or ycbcr, not 'lab'"),
        ("kmeans", {"k": 0}, r"kmeans option k takes 1\.\.256, not 0"),
        ("kmeans", {"k": 257}, "not 257"),
        ("kmeans", {"dither": 1.5}, r"kmeans option dither takes 0\.\.1, not 1\.5"),
        ("kmeans", {"colors": 16}, "kmeans has no option 'colors'; its options are k, seed, dither, pack"),
        ("jpeg", {"subsampling": "411"}, "takes 444, 422 or 420, not '411'"),
        ("jpeg", {"progressive": 1}, "takes true or false, not 1"),
        ("jpeg2000", {"ratio": 0.5}, "not 0.5"),
        ("jpeg2000", {"psnr_db": float("inf")}, "not inf"),
        ("jpeg2000", {"ratio": 20, "psnr_db": 40}, "ratio or psnr_db, not both"),
        ("tiff", {"compression": "zip"}, "takes lzw, packbits or deflate, not 'zip'"),
        ("gif", {"colors": 1}, r"takes 2\.\.256, not 1"),
        ("png", {"resize": 0}, "png option resize takes above 0, at most 1, not 0"),
        ("png", {"resize": 1.5}, r"not 1\.5"),
        ("webp", {"alpha_quality": 101}, r"takes 0\.\.100, not 101"),
        ("avif", {"speed": 11}, r"takes 0\.\.10, not 11"),
        ("tiff", {"quality": 3}, "tiff has no option 'quality'; its options are resize, compression"),
    ],
)
def test_options_out_of_range(codec_id: str, options: dict[str, object], message: str) -> None:
    """An option that is unknown or out of range is named, with what would be accepted."""
    with pytest.raises(InvalidOptionError, match=message):
        get_codec(codec_id, **options)


def test_unknown_codec() -> None:
    """The error lists the codecs that exist."""
    with pytest.raises(
        UnknownCodecError, match="no codec 'bmp'; the codecs are avif, dct, gif, jpeg, jpeg2000"
    ):
        get_codec("bmp")


def test_options_left_out_or_none_take_defaults() -> None:
    """None means unset where an option may be unset."""
    assert get_codec("dct", threshold=None) == get_codec("dct")
    assert get_codec("kmeans") == get_codec("kmeans", k=64, seed=0)


def test_duplicate_id() -> None:
    """Two codecs cannot have one name."""
    with pytest.raises(ValueError, match="Other cannot be the codec 'dct': not listed, or there already"):
        register(type("Other", (CODECS[0],), {"id": "dct"}))


def test_codecs_are_imported_when_asked_for() -> None:
    """Who uses one codec waits for no other one, and for Numba only where that one needs it."""
    code = (
        "import sys; from services.compressor.codecs import get_codec\n"
        "def loaded(): return {n for n in ('numba', 'dct', 'repack') if n in ' '.join(sys.modules)}\n"
        "get_codec('jpeg'); assert not loaded(), loaded()\n"
        "get_codec('dct'); assert loaded() == {'numba', 'dct'}, loaded()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_codecs_are_sorted() -> None:
    """Codecs are listed by technique, then by name."""
    assert [(codec.technique, codec.id) for codec in CODECS] == sorted((c.technique, c.id) for c in CODECS)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ],
)
def test_array_that_is_no_image(image: Pixels) -> None:
    """Arrays of another shape or type are refused with what is expected."""
    with pytest.raises(UnsupportedImageError, match=r"uint8 \[height, width, 1, 3 or 4\]"):
        get_codec("png").encode(image)


def test_jpeg_refuses_transparency() -> None:
    """JPEG would lose transparency: it is refused, and codecs that keep it are named."""
    with pytest.raises(UnsupportedImageError, match="these can: dct, kmeans, avif, jpeg2000, png"):
        get_codec("jpeg").encode(image_of(8, 8, 4))


@pytest.mark.parametrize(
    ("codec_id", "side_px"),
    [("jpeg", 65500), ("webp", 16383), ("avif", 32768), ("tga", 65535), ("gif", 65535)],
)
def test_longest_side(codec_id: str, side_px: int) -> None:
    """A codec holds images up to its longest side and refuses longer ones in one sentence."""
    image = np.zeros((1, side_px + 1, 3), np.uint8)
    assert decode(get_codec(codec_id).encode(image[:, 1:])).shape == (1, side_px, 3)
    with pytest.raises(UnsupportedImageError, match=f"sides up to {side_px} pixels"):
        get_codec(codec_id).encode(image)


def test_webp_lossless() -> None:
    """Lossless WebP keeps every sample, hidden colours too."""
    image = image_of(30, 20, 4)
    image[:10, :, 3] = 0
    assert np.array_equal(decode(get_codec("webp", lossless=True).encode(image)), image)


def test_jpeg2000_aims() -> None:
    """JPEG 2000 comes near the ratio and the PSNR that it is given."""
    image = image_of(128, 128, 3)
    assert len(get_codec("jpeg2000", ratio=20).encode(image)) == pytest.approx(image.size / 20, rel=0.2)
    assert psnr(image, decode(get_codec("jpeg2000", psnr_db=40).encode(image))) == pytest.approx(40, abs=2)


@pytest.mark.parametrize("compression", ["lzw", "packbits", "deflate"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tiff_compressions(compression: str, channels: int) -> None:
    """Each of TIFF's codings keeps every sample; PackBits is small on flat images only."""
    image = image_of(40, 30, channels)
    assert np.array_equal(decode(get_codec("tiff", compression=compression).encode(image)), image)
    flat = get_codec("tiff", compression=compression).encode(np.zeros((64, 64, 3), np.uint8))
    assert len(flat) < 1500


def test_gif_keeps_few_colors() -> None:
    """GIF keeps an image of few colours exactly, and transparency that is on or off."""
    few = (image_of(50, 40, 3) // 64) * 64
    assert np.array_equal(decode(get_codec("gif").encode(few)), few)
    cut_out = np.concatenate([few, np.full((40, 50, 1), 255, np.uint8)], axis=2)
    cut_out[:20, :, 3] = 0
    assert psnr(cut_out, decode(get_codec("gif").encode(cut_out))) == np.inf
    hidden = np.concatenate([image_of(50, 40, 3), cut_out[..., 3:]], axis=2)
    decoded = decode(get_codec("gif", colors=8).encode(hidden))
    assert np.array_equal(decoded[..., 3], hidden[..., 3])
    assert len(np.unique(decoded.reshape(-1, 4), axis=0)) <= 8
    with pytest.raises(UnsupportedImageError, match="half transparent; these can: dct, kmeans, avif"):
        get_codec("gif").encode(image_of(8, 8, 4))


def test_gif_dithers() -> None:
    """Dithering changes pixels, not the number of colours."""
    image = image_of(64, 64, 3)
    plain, dithered = (
        decode(get_codec("gif", colors=16, dither=dither).encode(image)) for dither in (False, True)
    )
    assert not np.array_equal(plain, dithered)
    assert len(np.unique(dithered.reshape(-1, 3), axis=0)) <= 16


@pytest.mark.parametrize("codec_id", [codec.id for codec in CODECS if codec.technique == "pillow"])
@pytest.mark.parametrize(("size", "smaller"), [((64, 40), (32, 20)), ((1, 5), (1, 2)), ((5, 3), (2, 2))])
def test_resize(codec_id: str, size: tuple[int, int], smaller: tuple[int, int]) -> None:
    """Each of Pillow's formats can hold the image at half its sides, at least one pixel each."""
    image = image_of(*size, 3)
    decoded = decode(get_codec(codec_id, resize=0.5).encode(image))
    assert decoded.shape[:2] == smaller[::-1]
    assert decode(get_codec(codec_id, resize=1).encode(image)).shape == image.shape


def test_resize_halves_a_side_limit() -> None:
    """What counts for a format's limit is the size that is encoded."""
    assert decode(get_codec("webp", resize=0.5).encode(np.zeros((1, 16385, 3), np.uint8))).shape == (
        1,
        8192,
        3,
    )


def test_jpeg_options_act() -> None:
    """JPEG's options change the file as they say."""
    image = image_of(128, 128, 3)
    size = {q: len(get_codec("jpeg", quality=q).encode(image)) for q in (20, 85, 95)}
    assert size[20] < size[85] < size[95]
    assert len(get_codec("jpeg", subsampling="444").encode(image)) > size[85]
    assert len(get_codec("jpeg", optimize=False).encode(image)) > size[85]
    assert b"\xff\xc2" in get_codec("jpeg", progressive=True).encode(image)


def test_library_is_pure() -> None:
    """Importing the codecs loads neither gRPC nor the API, and leaves the slow imports for later."""
    program = "import sys, services.compressor.codecs; print([m for m in sys.argv[1:] if m in sys.modules])"
    modules = ["grpc", "ganpress", "google.protobuf", "torch", "sklearn", "skimage"]
    found = subprocess.run(
        [sys.executable, "-c", program, *modules], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"

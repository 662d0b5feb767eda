"""Target: what `Compress` and `inspect` do with image files of every format."""

from __future__ import annotations

import io
from contextlib import suppress

import numpy as np
from ganpress.v1.codec_pb2 import CodecOptions
from PIL import Image

from client.errors import InputError
from client.inspection import inspect_image
from services.common.errors import status_of
from services.compressor.codecs import FileCodec, decode, psnr, resized, ssim
from services.compressor.errors import ERRORS
from services.compressor.options import codec_from
from tests.fuzz.mending import mended_container, mended_png
from tests.fuzz.targets import Target
from tests.helpers.images import image_file, smooth_image

MAX_PIXELS = 1 << 14

_OPTIONS = [
    CodecOptions(kmeans={"k": 4}),
    CodecOptions(png={}),
    CodecOptions(jpeg={"quality": 50}),
    CodecOptions(webp={"quality": 50}),
    CodecOptions(tiff={}),
    CodecOptions(gif={}),
    CodecOptions(jpeg2000={}),
    CodecOptions(dct={"effort": 2}),
    CodecOptions(repack={}),
]  # fmt: skip


def compress(data: bytes) -> None:
    """Does what `Compress` does with a file; the first byte chooses the codec."""
    for file in (data[1:], mended_png(data[1:]), mended_container(data[1:])):
        with suppress(InputError):
            inspect_image(file)
        try:
            _compress(file, _OPTIONS[data[0] % len(_OPTIONS)] if data else CodecOptions())
        except Exception as error:
            if status_of(error, ERRORS) is None:
                raise
        if file is data:
            break


def _compress(file: bytes, options: CodecOptions) -> None:
    codec = codec_from(options)
    image = decode(file, max_pixels=MAX_PIXELS)
    assert image.dtype == np.uint8
    assert image.shape[0] * image.shape[1] <= MAX_PIXELS
    if isinstance(codec, FileCodec):
        result = codec.encode_file(file, max_pixels=MAX_PIXELS)
    else:
        result = codec.encode(image)
    decoded = resized(codec.decode(result, max_pixels=MAX_PIXELS), image.shape[1], image.shape[0])
    psnr(image, decoded)
    ssim(image, decoded)


def _seeds() -> list[bytes]:
    files = [
        image_file(smooth_image(20, 16, channels), name, **options)
        for name, channels, options in (
            ("PNG", 3, {}),
            ("PNG", 4, {}),
            ("PNG", 1, {}),
            ("JPEG", 3, {"quality": 60}),
            ("JPEG", 1, {"progressive": True}),
            ("WEBP", 3, {"quality": 60}),
            ("WEBP", 4, {"lossless": True}),
            ("GIF", 3, {}),
            ("TIFF", 3, {}),
            ("TIFF", 3, {"compression": "tiff_lzw"}),
            ("TIFF", 3, {"compression": "tiff_adobe_deflate"}),
            ("TIFF", 3, {"compression": "packbits"}),
            ("TIFF", 3, {"compression": "jpeg"}),
            ("AVIF", 3, {"quality": 40, "speed": 10}),
            ("JPEG2000", 3, {}),
            ("BMP", 3, {}),
            ("TGA", 3, {}),
            ("TGA", 4, {"compression": "tga_rle"}),
        )
    ]
    files += [_palette_png(), _grey16_png(), _exif_jpeg(), _animated_gif()]
    return [bytes([number % len(_OPTIONS)]) + file for number, file in enumerate(files)]


def _palette_png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(smooth_image(20, 16)).quantize(12).save(file, "PNG", transparency=3)
    return file.getvalue()


def _grey16_png() -> bytes:
    return image_file(smooth_image(20, 16, 1).astype(np.uint16) * np.uint16(257))  # type: ignore[arg-type]


def _exif_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x0131] = 6, '{"seed": 7}', "GanPress 0.1.0"
    return image_file(smooth_image(20, 16), "JPEG", exif=exif)


def _animated_gif() -> bytes:
    file = io.BytesIO()
    frames = [Image.fromarray(smooth_image(12, 10, seed=seed)) for seed in range(2)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


TARGETS = (
    Target(
        "images",
        compress,
        _seeds,
        max_bytes=8192,
    ),
)

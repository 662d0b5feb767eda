"""A folder of real photographs in every form that people's folders hold, and of files that cannot be read."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms

from services.compressor.codecs import get_codec
from services.compressor.inputs import input_formats

HEIC = Path(__file__).parents[1] / "golden/inputs/turned.heic"
"""A photograph that no package of ours writes."""

Form = Callable[[Image.Image, int], tuple[str, bytes]]


def write_mixture(root: Path, photos: Path, count: int) -> set[str]:
    """Writes `count` files below `root`, made from the photographs of a tar; returns the unreadable ones.

    Every form has its turn: a third of the files are the photographs as they are, the others variants. Broken
    files cannot be read, nor those for which a plug-in is missing.
    """
    forms = list(_forms())
    broken = _broken()
    names: set[str] = set()
    with tarfile.open(photos) as tar:
        members = (member for member in tar if member.name.endswith(".jpg"))
        for number in range(count - len(broken)):
            photo = tar.extractfile(next(members))
            assert photo
            data = photo.read()
            suffix = ".jpg"
            if number % 3:
                form = forms[(number // 3 * 2 + number % 3 - 1) % len(forms)]
                suffix, data = form(Image.open(io.BytesIO(data)), number)
            name = f"part{number % 7}/{number // 7 % 5}/{number:04d}{suffix}"
            _write(root / name, data)
            if suffix in (".heic", ".jxl") and suffix[1:] not in input_formats():
                names.add(name)
    for number, (suffix, data) in enumerate(broken):
        name = f"part{number % 7}/broken{number}{suffix}"
        _write(root / name, data)
        names.add(name)
    return names


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _forms() -> Iterator[Form]:
    """Yields what makes a file of one form of a photograph."""
    for orientation in range(2, 9):
        yield lambda image, _, orientation=orientation: (
            ".jpg",
            _file(image, "JPEG", exif=_exif(orientation)),
        )
    yield lambda image, _: (".jpg", _file(image, "JPEG", icc_profile=_wide_profile()))
    yield lambda image, _: (".jpg", _file(image, "JPEG", progressive=True))
    yield lambda image, _: (".jpg", _file(image, "JPEG") + b"\0what a camera left behind" * 9)
    yield lambda image, _: (".jpg", _file(image.convert("CMYK"), "JPEG"))
    yield lambda image, _: (".jpeg", _file(image.convert("L"), "JPEG"))
    yield lambda image, _: (".png", _file(_with_alpha(image), "PNG"))
    yield lambda image, _: (".png", _file(_with_alpha(image).convert("LA"), "PNG"))
    yield lambda image, _: (".png", _file(image.quantize(64), "PNG"))
    yield lambda image, _: (".png", _file(image.quantize(16), "PNG", transparency=0))
    yield lambda image, _: (".png", _file(image.convert("1"), "PNG"))
    yield lambda image, _: (".png", _file(_with_16_bits(image), "PNG"))
    yield lambda image, _: (".tif", _file(_with_16_bits(image), "TIFF"))
    for suffix, name in ((".gif", "GIF"), (".webp", "WEBP"), (".png", "PNG"), (".tiff", "TIFF")):
        yield lambda image, _, suffix=suffix, name=name: (suffix, _animation(image, name))
    yield lambda image, _: (".webp", _file(image, "WEBP", quality=70))
    yield lambda image, _: (".avif", _file(image, "AVIF", speed=9))
    yield lambda _, __: (".heic", HEIC.read_bytes())
    yield lambda image, _: (".jxl", _file(image, "JXL") if "jxl" in input_formats() else b"\xff\x0a")
    yield lambda image, _: (".jp2", _file(image, "JPEG2000"))
    yield lambda image, _: (".bmp", _file(image, "BMP"))
    yield lambda image, _: (".tga", _file(image, "TGA"))
    yield lambda image, _: (".png", _file(image.resize((1, 1)), "PNG"))
    yield lambda image, _: (".png", _file(image.resize((1, 37)), "PNG"))
    # One of them: the others would only take time.
    yield lambda image, i: (".jpg", _file(image.resize((2001, 1503) if i < 100 else (301, 203)), "JPEG"))
    yield lambda image, _: (".jpg", _file(image, "PNG"))  # by another name
    yield lambda image, _: (".gpc", get_codec("dct").encode(np.asarray(image)))


def _broken() -> list[tuple[str, bytes]]:
    """Returns files that are no images, whatever they are called."""
    picture = Image.effect_mandelbrot((64, 48), (-2, -1, 1, 1), 50)
    jpeg, png = _file(picture, "JPEG"), _file(picture, "PNG")
    ours = bytearray(get_codec("dct").encode(np.asarray(picture)[..., np.newaxis]))
    ours[-1] ^= 1
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    bomb = png[:8] + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"")) + _chunk(b"IEND", b"")
    return [
        (".jpg", jpeg[: len(jpeg) // 2]),
        (".png", png[: len(png) // 2]),
        (".jpg", b""),
        (".gpc", b""),
        (".png", b"a note\n"),
        (".jpg", b"PK\x03\x04" + bytes(60)),
        (".png", bomb),
        (".gpc", bytes(ours)),
        (".gpc", b"\x89G\x23of the year after next"),
    ]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _file(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _animation(image: Image.Image, file_format: str) -> bytes:
    return _file(image, file_format, save_all=True, append_images=[image.rotate(9)])


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = orientation, "Maker"
    return exif


def _with_alpha(image: Image.Image) -> Image.Image:
    picture = image.convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(image.size))
    return picture


def _with_16_bits(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257 + 3)


def _wide_profile() -> bytes:
    """Returns an RGB profile whose red and green are those of sRGB in the other order, without a name."""
    made: Any = ImageCms.createProfile("sRGB")
    data = bytearray(ImageCms.ImageCmsProfile(made).tobytes())
    count = struct.unpack_from(">I", data, 128)[0]
    tags = {bytes(data[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data).replace("sRGB".encode("utf-16-be"), "abcd".encode("utf-16-be"))

"""Image files of any kind."""

from __future__ import annotations

from services.compressor.codecs import container
from services.compressor.codecs.base import DEFAULT_MAX_PIXELS, Pixels
from services.compressor.codecs.errors import CorruptDataError, UnsupportedImageError
from services.compressor.codecs.marking import is_kmeans
from services.compressor.codecs.pillow_codec import PillowCodec
from services.compressor.codecs.reading import open_image, read_pixels
from services.compressor.codecs.registry import codec_class, list_codecs, list_file_codecs
from services.compressor.codecs.seed import SeedCodec, is_seed, read_origin

_CONTAINER_CODECS = {container.DCT: "dct", container.PALETTE: "kmeans", container.JPEG: "repack"}
_ANY = 1 << 64
"""More pixels than a container can announce."""


def identify(data: bytes) -> str:
    """Returns the id of the codec whose file this is, or a format's name ("gif", "bmp") that none writes.

    Raises:
        CorruptDataError: It is no file that `decode` reads.
    """
    if container.is_of_unknown_version(data):
        raise CorruptDataError(
            f"the GanPress file is of a version not known: its third byte is {data[2:3].hex() or 'missing'}, "
            f"those of version {container.VERSION} are 80 to af; a newer GanPress may read it"
        )
    if data.startswith(container.ARCHIVE_MAGIC):
        raise CorruptDataError("the data is a GanPress archive of many images, not one image")
    if container.is_container(data):
        return SeedCodec.id if is_seed(data) else _identify_container(data)
    with open_image(data) as image:
        if is_kmeans(image):
            return "kmeans"
        name = "JPEG" if image.format == "MPO" else str(image.format)
    return _ids_by_format().get(name, name.lower())


def _identify_container(data: bytes) -> str:
    number = container.unpack(data, max_pixels=_ANY).codec
    if number not in _CONTAINER_CODECS:
        known = ", ".join(f"{number} ({codec_id})" for number, codec_id in _CONTAINER_CODECS.items())
        raise CorruptDataError(
            f"the GanPress file holds codec {number}; known are {known}, and a newer GanPress may know more"
        )
    return _CONTAINER_CODECS[number]


def container_codec(number: int) -> str:
    """Returns the id of the codec of a container's number, the number itself for one that is not known."""
    return {container.SEED: SeedCodec.id, **_CONTAINER_CODECS}.get(number, str(number))


def decode(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
    """Gives back the image in a file of any codec, or in any other image file that Pillow knows well.

    Reads PNG, JPEG, WebP, AVIF, JPEG 2000, TIFF, GIF, BMP, TGA and GanPress files. An EXIF orientation is
    applied; 16-bit samples keep their upper 8 bits; black-and-white becomes grey; palettes become RGB, or
    RGBA when they hold transparency; CMYK becomes RGB without regard to a colour profile.

    Returns:
        The image, uint8 [height, width, 1, 3 or 4].

    Raises:
        CorruptDataError: It is no image, or one that is truncated or altered.
        TooManyPixelsError: Its header announces more than `max_pixels` pixels; checked before decoding.
        UnsupportedImageError: It is animated, has several pages, or 32-bit or floating-point samples; or it
            is a seed file, for which a generator is needed.
    """
    codec_id = identify(data)
    if codec_id == SeedCodec.id:
        origin = read_origin(data)
        raise UnsupportedImageError(
            f"the file holds a seed, not samples: only a generator with the model {origin.model_digest}... "
            "can give back the image"
        )
    if codec_id in {codec.id for codec in (*list_codecs(), *list_file_codecs())}:
        return codec_class(codec_id).decode(data, max_pixels=max_pixels)
    return read_pixels(data, max_pixels)


def _ids_by_format() -> dict[str, str]:
    return {codec.pillow_format: codec.id for codec in list_codecs() if issubclass(codec, PillowCodec)}

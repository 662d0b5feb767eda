"""The codec of JPEG files."""

from __future__ import annotations

from dataclasses import dataclass

from services.compressor.codecs.base import DEFAULT_MAX_PIXELS, FileCodec, Pixels
from services.compressor.codecs.jpeg import Jpeg
from services.compressor.codecs.registry import register
from services.compressor.codecs.repack.file import pack, unpack


@register
@dataclass(frozen=True)
class Repack(FileCodec):
    """A JPEG file in fewer bytes: the same pixels, and the identical file again."""

    id = "repack"
    technique = "dct"
    description = "A JPEG file in fewer bytes, given back identical."
    media_type = "image/x-ganpress-repack"
    file_extension = ".gpc"
    input_media_type = "image/jpeg"
    input_file_extension = ".jpg"
    channels = (1, 3)

    def encode_file(self, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
        """See `FileCodec.encode_file`."""
        return pack(data, max_pixels=max_pixels)

    @classmethod
    def restore_file(cls, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
        """See `FileCodec.restore_file`."""
        return unpack(data, max_pixels=max_pixels)

    @classmethod
    def decode(cls, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
        """Gives back the pixels of the JPEG; see `Codec.decode`."""
        return Jpeg.decode(unpack(data, max_pixels=max_pixels), max_pixels=max_pixels)

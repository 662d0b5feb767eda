"""Image codecs as a pure library: NumPy and Pillow in, bytes out, no server.

>>> import numpy as np
>>> from services.compressor.codecs import decode, get_codec
>>> image = np.full((5, 7, 3), 200, np.uint8)
>>> data = get_codec("dct", quality=80).encode(image)
>>> decode(data).shape
(5, 7, 3)
"""

from services.compressor.codecs import container
from services.compressor.codecs.base import DEFAULT_MAX_PIXELS, Codec, FileCodec, Parameter, Pixels
from services.compressor.codecs.errors import (
    CodecError,
    CorruptDataError,
    InvalidOptionError,
    MissingPackageError,
    TooManyPixelsError,
    UnknownCodecError,
    UnsupportedImageError,
)
from services.compressor.codecs.extras import Extras
from services.compressor.codecs.files import decode, identify
from services.compressor.codecs.metrics import (
    bd_rate,
    bits_per_pixel,
    ms_ssim,
    psnr,
    psnr_y,
    ssim,
    ssimulacra2,
)
from services.compressor.codecs.reading import FORMATS, UPRIGHT, open_image
from services.compressor.codecs.registry import codec_class, get_codec, list_codecs, list_file_codecs
from services.compressor.codecs.resizing import resized

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "FORMATS",
    "UPRIGHT",
    "Codec",
    "CodecError",
    "CorruptDataError",
    "Extras",
    "FileCodec",
    "InvalidOptionError",
    "MissingPackageError",
    "Parameter",
    "Pixels",
    "TooManyPixelsError",
    "UnknownCodecError",
    "UnsupportedImageError",
    "bd_rate",
    "bits_per_pixel",
    "codec_class",
    "container",
    "decode",
    "get_codec",
    "identify",
    "list_codecs",
    "list_file_codecs",
    "ms_ssim",
    "open_image",
    "psnr",
    "psnr_y",
    "resized",
    "ssim",
    "ssimulacra2",
]

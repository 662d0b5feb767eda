"""Our codecs and the peers, each with settings from small files to good ones."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from services.compressor.codecs import Pixels, codec_class, decode, get_codec

ANCHOR = "jpeg 4:2:0"
"""libjpeg-turbo with optimised Huffman tables: what sizes are compared with."""

_QUALITIES = (5, 10, 20, 30, 45, 60, 75, 85, 92)
_RATIOS = (120, 80, 50, 32, 20, 12, 8, 5)
_COLORS = (4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Setting:
    """A codec with its options."""

    name: str
    """The option that makes the difference, as in "quality=75"."""
    encode: Callable[[Pixels], bytes]
    """From RGB to a file."""
    decode: Callable[[bytes], Pixels]
    """From a file to RGB."""


@dataclass(frozen=True)
class Contender:
    """A codec with settings from small files to good ones."""

    name: str
    """What it is called in the tables."""
    is_ours: bool
    """Whether it is one of GanPress's own codecs."""
    settings: tuple[Setting, ...]
    """From the smallest file to the best."""


def contenders() -> list[Contender]:
    """Returns all that can run here; peers whose packages are not installed are left out."""
    found = [
        _swept(ANCHOR, "jpeg", "quality", _QUALITIES),
        _swept("jpeg 4:4:4", "jpeg", "quality", _QUALITIES, subsampling="444"),
        _swept("webp m6", "webp", "quality", _QUALITIES, method=6),
        _swept("avif s6", "avif", "quality", _QUALITIES, speed=6),
        _swept("jpeg2000", "jpeg2000", "ratio", _RATIOS),
    ]
    if importlib.util.find_spec("pyvips"):
        found.append(Contender("mozjpeg", False, tuple(_mozjpeg(quality) for quality in _QUALITIES)))
    if importlib.util.find_spec("pyjpegli"):
        found.append(Contender("jpegli", False, tuple(_jpegli(quality) for quality in _QUALITIES)))
    if importlib.util.find_spec("pillow_jxl"):
        found.append(Contender("jpeg xl e7", False, tuple(_jpeg_xl(quality) for quality in _QUALITIES)))
    return [*found, *_dct(), _swept("kmeans", "kmeans", "k", _COLORS, is_ours=True)]


def _dct() -> list[Contender]:
    """Returns the DCT codec with its defaults and with each other value of an option that is a choice."""
    dct = codec_class("dct")
    default = dct()
    found = [_swept("dct", "dct", "quality", _QUALITIES, is_ours=True)]
    for name, values in dct.choices().items():
        for value in values:
            if value in {getattr(default, name), "rgb", "ycbcr"} or value is True:
                continue
            label = f"dct {name} off" if value is False else f"dct {value}"
            found.append(_swept(label, "dct", "quality", _QUALITIES, is_ours=True, **{name: value}))
    return found


def _swept(
    name: str, codec: str, option: str, values: tuple[float, ...], *, is_ours: bool = False, **options: Any
) -> Contender:
    settings = (_setting(codec, f"{option}={value}", **{option: value}, **options) for value in values)
    return Contender(name, is_ours, tuple(settings))


def _setting(codec_id: str, name: str, **options: Any) -> Setting:
    codec = get_codec(codec_id, **options)
    return Setting(name, codec.encode, lambda data: decode(data)[..., :3])


def _mozjpeg(quality: int) -> Setting:
    import pyvips  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]

    def encode(
        image: Pixels,
    ) -> bytes:  # libvips is built with mozjpeg; the last three are what only that has
        return pyvips.Image.new_from_array(image).jpegsave_buffer(
            Q=quality,
            subsample_mode="on",
            keep=pyvips.enums.ForeignKeep.NONE,
            optimize_coding=True,
            interlace=True,
            trellis_quant=True,
            overshoot_deringing=True,
            optimize_scans=True,
        )

    return Setting(f"quality={quality}", encode, decode)


def _jpegli(quality: int) -> Setting:
    import pyjpegli  # pyright: ignore[reportMissingImports]

    def encode(image: Pixels) -> bytes:
        return pyjpegli.encode(image.tobytes(), image.shape[1], image.shape[0], quality)

    return Setting(f"quality={quality}", encode, decode)


def _jpeg_xl(quality: int) -> Setting:
    import pillow_jxl  # noqa: F401 # pyright: ignore[reportMissingImports, reportUnusedImport]

    def encode(image: Pixels) -> bytes:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JXL", quality=quality, effort=7, num_threads=1)
        return file.getvalue()

    def read(data: bytes) -> Pixels:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))

    return Setting(f"quality={quality}", encode, read)

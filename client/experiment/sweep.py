"""Which codecs and settings an experiment goes through."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ganpress.v1.codec_pb2 import CodecOptions

from client.api import GanpressClient
from client.codec_options import OptionValue, options_given
from client.errors import InputError

DEFAULT_SWEEP = (
    "dct:threshold=0.01,0.02,0.03",
    "dct:quality=50,75,90",
    "kmeans:k=16,64,256",
    "jpeg:quality=50,75,85,90",
    "webp:quality=50,75,90",
    "avif:quality=50,65,80",
    "jpeg2000:psnr_db=30,35,40",
    "jpeg2000",
    "png",
    "tiff",
    "tiff:compression=packbits",
    "tga",
    "gif",
)
"""The study's settings (DCT thresholds, k = 64, JPEG 85 and 90) among others that draw the curves."""

_FORM = "CODEC, CODEC:OPTION=VALUE,VALUE... or, for every combination, CODEC:OPTION=...:OPTION=..."


@dataclass(frozen=True)
class Setting:
    """One codec with its options."""

    codec: str
    """Codec name."""
    technique: str
    """Technique it belongs to: "dct", "kmeans" or "pillow"."""
    text: str
    """The options that are set, as in "quality=75"; "lossless" or "default" when none is."""
    message: CodecOptions
    """What a request holds."""


def parse_spec(spec: str) -> list[tuple[str, dict[str, OptionValue]]]:
    """Returns the codec and the options of every combination in a specification.

    >>> parse_spec("dct:quality=50,75")
    [('dct', {'quality': '50'}), ('dct', {'quality': '75'})]

    Raises:
        InputError: It has not the form of one. Whether codec and options exist is not looked at.
    """
    codec, *parts = spec.split(":")
    choices: dict[str, list[str]] = {}
    for part in parts:
        name, equals, values = part.partition("=")
        if not (name.strip() and equals) or name.strip() in choices:
            raise InputError(f"--codec {spec!r}: {part!r} is not OPTION=VALUE of a new option: write {_FORM}")
        choices[name.strip()] = [value.strip() for value in values.split(",")]
    return [
        (codec.strip(), dict(zip(choices, values, strict=True)))
        for values in itertools.product(*choices.values())
    ]


async def resolve(client: GanpressClient, specs: Sequence[str]) -> list[Setting]:
    """Returns the settings that specifications mean, in their order, each once.

    Raises:
        GanpressError: A specification is malformed, or the compressor has not what it names.
    """
    parsed = [choice for spec in specs for choice in parse_spec(spec)]
    messages = [await client.codec_options(codec, options) for codec, options in parsed]
    infos = {info.name: info for info in (await client.list_codecs()).codecs}
    settings: dict[tuple[str, str], Setting] = {}
    for message in messages:
        codec = message.WhichOneof("codec") or ""
        if codec not in infos:
            raise InputError(f"this compressor has no codec {codec!r}: it has {', '.join(sorted(infos))}")
        nothing_set = "lossless" if infos[codec].lossless else "default"
        text = setting_text(options_given(message).items()) or nothing_set
        settings.setdefault((codec, text), Setting(codec, infos[codec].technique, text, message))
    return list(settings.values())


def setting_text(options: Iterable[tuple[str, OptionValue]]) -> str:
    """Returns options as a user writes them: "quality=75 color_space=rgb"."""
    return " ".join(f"{name}={str(value).lower().removesuffix('.0')}" for name, value in options)

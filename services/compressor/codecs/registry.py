"""Codecs by name, imported when they are asked for: a process that uses one need not wait for all."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any, TypeVar

from services.compressor.codecs.base import Codec, FileCodec
from services.compressor.codecs.errors import InvalidOptionError, UnknownCodecError

CodecClass = TypeVar("CodecClass", bound=type[Codec])

_IDS = ("avif", "dct", "gif", "jpeg", "jpeg2000", "kmeans", "png", "repack", "tga", "tiff", "webp")
"""Each is the name of the module or package, too, that registers its codec."""
_codecs: dict[str, type[Codec]] = {}


def register(codec: CodecClass) -> CodecClass:
    """Makes a codec known by its id, which has to be in the list above; for use as a decorator.

    Raises:
        ValueError: The id is not in the list, or another codec has it.
    """
    if codec.id not in _IDS or codec.id in _codecs:
        raise ValueError(
            f"{codec.__qualname__} cannot be the codec {codec.id!r}: not listed, or there already"
        )
    _codecs[codec.id] = codec
    return codec


def list_codecs() -> tuple[type[Codec], ...]:
    """Returns every codec of pixels, sorted by technique and id."""
    codecs = (codec for codec in map(codec_class, _IDS) if not issubclass(codec, FileCodec))
    return tuple(sorted(codecs, key=lambda codec: (codec.technique, codec.id)))


def list_file_codecs() -> tuple[type[FileCodec], ...]:
    """Returns every codec of files, sorted by id."""
    codecs = (codec for codec in map(codec_class, _IDS) if issubclass(codec, FileCodec))
    return tuple(sorted(codecs, key=lambda codec: codec.id))


def codec_class(codec_id: str) -> type[Codec]:
    """Returns the codec of this id.

    Raises:
        UnknownCodecError: There is none; the message lists those that exist.
    """
    if codec_id not in _IDS:
        raise UnknownCodecError(f"there is no codec {codec_id!r}; the codecs are {', '.join(_IDS)}")
    if codec_id not in _codecs:
        import_module(f"services.compressor.codecs.{codec_id}")
    return _codecs[codec_id]


def get_codec(codec_id: str, **options: Any) -> Codec:
    """Returns the codec of this id with these options; the others take their defaults.

    >>> get_codec("kmeans", k=16)
    Kmeans(k=16, seed=0, dither=0.0, pack=False)

    Raises:
        UnknownCodecError: There is no such codec.
        InvalidOptionError: It has no such option, or the option does not take this value.
    """
    codec = codec_class(codec_id)
    names = [field.name for field in fields(codec)]
    for name in options:
        if name not in names:
            has = f"its options are {', '.join(names)}" if names else "it has none"
            raise InvalidOptionError(f"{codec_id} has no option {name!r}; {has}")
    return codec(**options)

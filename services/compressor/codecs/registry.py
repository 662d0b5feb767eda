"""Codecs by name."""

from __future__ import annotations

from typing import Any, TypeVar

from services.compressor.codecs.base import Codec, FileCodec
from services.compressor.codecs.errors import InvalidOptionError, UnknownCodecError

CodecClass = TypeVar("CodecClass", bound=type[Codec])

_codecs: dict[str, type[Codec]] = {}


def register(codec: CodecClass) -> CodecClass:
    """Makes a codec known by its id; for use as a decorator.

    Raises:
        ValueError: Another codec has this id.
    """
    if codec.id in _codecs:
        raise ValueError(f"there is a codec {codec.id!r} already: {_codecs[codec.id].__qualname__}")
    _codecs[codec.id] = codec
    return codec


def list_codecs() -> tuple[type[Codec], ...]:
    """Returns every codec of pixels, sorted by technique and id."""
    codecs = (codec for codec in _codecs.values() if not issubclass(codec, FileCodec))
    return tuple(sorted(codecs, key=lambda codec: (codec.technique, codec.id)))


def list_file_codecs() -> tuple[type[FileCodec], ...]:
    """Returns every codec of files, sorted by id."""
    codecs = (codec for codec in _codecs.values() if issubclass(codec, FileCodec))
    return tuple(sorted(codecs, key=lambda codec: codec.id))


def codec_class(codec_id: str) -> type[Codec]:
    """Returns the codec of this id.

    Raises:
        UnknownCodecError: There is none; the message lists those that exist.
    """
    try:
        return _codecs[codec_id]
    except KeyError:
        raise UnknownCodecError(
            f"there is no codec {codec_id!r}; the codecs are {', '.join(sorted(_codecs))}"
        ) from None


def get_codec(codec_id: str, **options: Any) -> Codec:
    """Returns the codec of this id with these options; the others take their defaults.

    >>> get_codec("kmeans", k=16)
    Kmeans(k=16, seed=0, dither=0.0, pack=False)

    Raises:
        UnknownCodecError: There is no such codec.
        InvalidOptionError: It has no such option, or the option does not take this value.
    """
    codec = codec_class(codec_id)
    names = [parameter.name for parameter in codec.parameters()]
    for name in options:
        if name not in names:
            has = f"its options are {', '.join(names)}" if names else "it has none"
            raise InvalidOptionError(f"{codec_id} has no option {name!r}; {has}")
    return codec(**options)

"""Codec options by name: from plain names and values to the typed messages of the API, and back.

The names and types are those of the API's descriptors, so an option added there is known here.
"""

from __future__ import annotations

from collections.abc import Mapping

from ganpress.v1.codec_pb2 import CodecOptions
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from client.errors import InputError

OptionValue = str | int | float | bool

ALIASES = {"pillow": "jpeg", "k-means": "kmeans"}
"""Other names of codecs: the study calls JPEG by the library that wrote it."""

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class OptionValueError(InputError):
    """An option's value has the wrong type."""

    def __init__(self, codec: str, option: str, value: OptionValue, wanted: str) -> None:
        super().__init__(f"{codec} option {option} takes {wanted}, not {value!r}")
        self.codec = codec
        self.option = option
        self.value = value
        self.wanted = wanted


AUTO = "auto"
"""Name that stands for whichever codec is best at a goal."""


def codec_names() -> list[str]:
    """Returns the names of all codecs; `AUTO` is none."""
    fields = CodecOptions.DESCRIPTOR.oneofs_by_name["codec"].fields
    return sorted(field.name for field in fields if field.name != AUTO)


def option_names(codec: str) -> list[str]:
    """Returns the names of a codec's options."""
    return [field.name for field in _fields(codec)]


def build_options(codec: str, options: Mapping[str, OptionValue]) -> CodecOptions:
    """Returns the message for a codec and its options; those left out take the codec's defaults.

    Values may be text: "0.01", "64", "true", "420", "ycbcr". The options of `AUTO` are `codecs`, the names of
    those to try with commas between ("webp,avif"; without it the server chooses), and `judged_by`.

    Raises:
        InputError: There is no such codec or option; the message lists those that exist.
        OptionValueError: A value cannot be read as the option's type. Ranges are the server's matter.
    """
    codec = ALIASES.get(codec, codec)
    if codec == AUTO:
        return _auto(options)
    fields = {field.name: field for field in _fields(codec)}
    message = CodecOptions()
    chosen: Message = getattr(message, codec)
    chosen.SetInParent()
    for name, value in options.items():
        if name not in fields:
            has = f"its options are {', '.join(fields)}" if fields else "it has none"
            raise InputError(f"codec {codec} has no option {name!r}: {has}")
        try:
            _set(chosen, fields[name], value)
        except _WantedError as error:
            raise OptionValueError(codec, name, value, str(error)) from None
    return message


def options_given(options: CodecOptions) -> dict[str, OptionValue]:
    """Returns the options that are set in a message, by name, as JSON can hold them."""
    codec = options.WhichOneof("codec")
    if codec == AUTO:
        tried = ",".join(filter(None, (entry.WhichOneof("codec") for entry in options.auto.candidates)))
        return {"codecs": tried} if tried else {}
    chosen: Message = getattr(options, codec) if codec else CodecOptions()
    return {
        field.name: _enum_word(field.enum_type, value) if field.enum_type else value
        for field, value in chosen.ListFields()
    }


def _auto(options: Mapping[str, OptionValue]) -> CodecOptions:
    message = CodecOptions()
    message.auto.SetInParent()
    for name, value in options.items():
        if name == "codecs":
            names = [part.strip() for part in str(value).split(",") if part.strip()]
            message.auto.candidates.extend(build_options(part, {}) for part in names)
        elif name == "judged_by":
            try:
                _set(message.auto, message.auto.DESCRIPTOR.fields_by_name[name], value)
            except _WantedError as error:
                raise OptionValueError(AUTO, name, value, str(error)) from None
        else:
            raise InputError(f"codec {AUTO} has no option {name!r}: its options are codecs, judged_by")
    return message


def _fields(codec: str) -> list[FieldDescriptor]:
    oneof = CodecOptions.DESCRIPTOR.oneofs_by_name["codec"]
    for field in oneof.fields:
        if field.name == codec and field.message_type:
            return list(field.message_type.fields)
    raise InputError(f"there is no codec {codec!r}: the codecs are {', '.join([*codec_names(), AUTO])}")


def _set(message: Message, field: FieldDescriptor, value: OptionValue) -> None:
    text = str(value).strip().lower()
    if field.enum_type:
        words = {_enum_word(field.enum_type, entry.number): entry.number for entry in field.enum_type.values}
        word = text.replace(":", "")  # 4:2:0 is 420
        if not words.get(word):
            raise _WantedError(f"one of {', '.join(word for word, number in words.items() if number)}")
        setattr(message, field.name, words[word])
    elif field.type == FieldDescriptor.TYPE_BOOL:
        if text not in _TRUE + _FALSE:
            raise _WantedError("true or false")
        setattr(message, field.name, text in _TRUE)
    else:
        is_real = field.type == FieldDescriptor.TYPE_DOUBLE
        try:
            setattr(message, field.name, float(text) if is_real else int(text))
        except ValueError:  # no number, or one that the field cannot hold
            raise _WantedError("a number" if is_real else "a whole number that is not negative") from None


class _WantedError(Exception):
    """A value is not what is wanted; the message says what is."""


def _enum_word(enum: EnumDescriptor, number: int) -> str:
    """Returns an enumeration's value as a user writes it: COLOR_SPACE_RGB is "rgb"."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return enum.values_by_number[number].name.removeprefix(prefix).lower()

"""From the API's typed options to a codec.

Messages and codecs agree by name: a field of the oneof is a codec's id, the fields of its message are
the codec's options, and the values of an enumeration are the option's words.
"""

from __future__ import annotations

from typing import Any

from ganpress.v1.codec_pb2 import CodecOptions
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from services.compressor.codecs import Codec, get_codec
from services.compressor.errors import RequestError

_CODECS = CodecOptions.DESCRIPTOR.oneofs_by_name["codec"]


def codec_from(options: CodecOptions) -> Codec:
    """Returns the codec that a message asks for; options that are not set take the codec's defaults.

    Raises:
        RequestError: No codec is set.
        InvalidOptionError: The codec does not take a value.
    """
    codec_id = options.WhichOneof("codec")
    if codec_id is None or codec_id == "auto":
        codecs = ", ".join(sorted(field.name for field in _CODECS.fields))
        raise RequestError(f"no codec is set; set the options of one of {codecs}")
    message: Message = getattr(options, codec_id)
    return get_codec(codec_id, **{field.name: _value(field, value) for field, value in message.ListFields()})


def _value(field: FieldDescriptor, value: Any) -> Any:
    """Returns a field's value as the codec takes it: COLOR_SPACE_RGB is "rgb", an unknown number itself."""
    enum = field.enum_type
    if enum is None or value not in enum.values_by_number:
        return value
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return enum.values_by_number[value].name.removeprefix(prefix).lower()

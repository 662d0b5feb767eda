"""Agreement of the API's messages with the codecs."""

from __future__ import annotations

import pytest
from ganpress.v1 import codec_pb2
from ganpress.v1.codec_pb2 import CodecOptions
from google.protobuf.descriptor import FieldDescriptor

from services.compressor.codecs import (
    InvalidOptionError,
    codec_class,
    get_codec,
    list_codecs,
    list_file_codecs,
)
from services.compressor.errors import RequestError
from services.compressor.options import codec_from

FIELDS = [field for field in CodecOptions.DESCRIPTOR.oneofs_by_name["codec"].fields if field.name != "auto"]


def test_a_message_for_every_codec() -> None:
    """The API has options for each codec, and no others."""
    assert sorted(field.name for field in FIELDS) == sorted(
        codec.id for codec in (*list_codecs(), *list_file_codecs())
    )


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_fields_are_the_options(field: FieldDescriptor) -> None:
    """A message's fields are the codec's options, by name and in order."""
    assert field.message_type
    options = [parameter.name for parameter in codec_class(field.name).parameters()]
    assert [option.name for option in field.message_type.fields] == options


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_words_of_enumerations(field: FieldDescriptor) -> None:
    """Every value of an enumeration is a word that the codec takes, and the codec takes no other."""
    assert field.message_type
    for option in field.message_type.fields:
        if option.enum_type:
            for value in option.enum_type.values[1:]:
                options = CodecOptions()
                setattr(getattr(options, field.name), option.name, value.number)
                word = getattr(codec_from(options), option.name)
                assert value.name.lower().endswith(f"_{word}")
            (accepts,) = [
                parameter.accepts
                for parameter in codec_class(field.name).parameters()
                if parameter.name == option.name
            ]
            assert len(accepts.replace(" or ", ", ").split(", ")) == len(option.enum_type.values) - 1


@pytest.mark.parametrize("codec", list_codecs(), ids=lambda codec: codec.id)
def test_nothing_set_means_defaults(codec: type) -> None:
    """An empty options message gives the codec with its defaults."""
    options = CodecOptions()
    getattr(options, codec.id).SetInParent()
    assert codec_from(options) == codec()


def test_set_fields_are_passed() -> None:
    """Fields that are set reach the codec, zero and false among them."""
    options = CodecOptions(
        jpeg=codec_pb2.JpegOptions(
            quality=33, subsampling=codec_pb2.CHROMA_SUBSAMPLING_444, progressive=True, optimize=False
        )
    )
    assert codec_from(options) == get_codec(
        "jpeg", quality=33, subsampling="444", progressive=True, optimize=False
    )
    assert codec_from(CodecOptions(webp=codec_pb2.WebpOptions(quality=0))) == get_codec("webp", quality=0)


def test_no_codec() -> None:
    """Without a codec, the message lists those that exist."""
    with pytest.raises(
        RequestError, match="set the options of one of auto, avif, dct, gif, jpeg, jpeg2000, kmeans"
    ):
        codec_from(CodecOptions())


def test_unknown_enumeration_number() -> None:
    """A number that the enumeration lacks is refused with the words that exist."""
    options = CodecOptions(dct=codec_pb2.DctOptions(color_space=9))
    with pytest.raises(InvalidOptionError, match="takes rgb or ycbcr, not 9"):
        codec_from(options)


def test_out_of_range() -> None:
    """Values out of range are refused by the codec, not by the wire."""
    with pytest.raises(InvalidOptionError, match=r"k takes 1\.\.256, not 1000"):
        codec_from(CodecOptions(kmeans=codec_pb2.KmeansOptions(k=1000)))

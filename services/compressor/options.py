"""From the API's typed options to a codec, a goal and wishes.

Messages and codecs agree by name: a field of the oneof is a codec's id, the fields of its message are
the codec's options, and the values of an enumeration are the option's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganpress.v1 import goal_pb2
from ganpress.v1.codec_pb2 import CodecOptions
from ganpress.v1.input_pb2 import COLOR_PROFILE_KEEP, FRAMES_ALL, METADATA_KEEP, InputOptions
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from services.compressor.codecs import Codec, get_codec
from services.compressor.errors import RequestError
from services.compressor.goals import Goal, Judge, setting_of
from services.compressor.inputs import Wishes

_CODECS = CodecOptions.DESCRIPTOR.oneofs_by_name["codec"]


_JUDGES: dict[goal_pb2.QualityMetric.ValueType, Judge | None] = {
    goal_pb2.QUALITY_METRIC_UNSPECIFIED: None,
    goal_pb2.QUALITY_METRIC_PSNR: "psnr",
    goal_pb2.QUALITY_METRIC_SSIM: "ssim",
    goal_pb2.QUALITY_METRIC_SSIMULACRA2: "ssimulacra2",
}
METRICS = {judge: number for number, judge in _JUDGES.items()}
"""Numbers of the judges in the API."""


def goal_from(message: goal_pb2.Goal) -> Goal:
    """Returns the goal that a message asks for.

    Raises:
        RequestError: None is set.
        GoalError: It is out of range.
    """
    name = message.WhichOneof("target")
    if name is None:
        targets = ", ".join(field.name for field in message.DESCRIPTOR.fields)
        raise RequestError(f"the goal has no target; set one of {targets}")
    kind: Any = name.removeprefix("target_")
    return Goal(kind, getattr(message, name))


def judge_from(number: goal_pb2.QualityMetric.ValueType) -> Judge | None:
    """Returns the measure of a number; None leaves it to the library.

    Raises:
        RequestError: There is no such number.
    """
    if number not in _JUDGES:
        raise RequestError(f"judged_by {number} is not known: those known are {', '.join(map(str, _JUDGES))}")
    return _JUDGES[number]


def check_goal_options(options: CodecOptions) -> None:
    """Checks that options leave to a goal what it looks for.

    Raises:
        RequestError: They set it.
    """
    codec = codec_from(options)
    setting = setting_of(codec)
    if setting is None:
        return
    for field, value in getattr(options, codec.id).ListFields():
        if field.name in (setting.name, *setting.unset):
            raise RequestError(
                f"{codec.id} takes a goal or {field.name}, not both ({field.name} {value:g}): "
                f"the goal looks for the {setting.name}"
            )


def wishes_from(message: InputOptions, codecs: Sequence[type[Codec]]) -> Wishes:
    """Returns how a message wants a file to be read, for codecs that may have to hold the image.

    Raises:
        InvalidOptionError: A codec cannot do as wished, or the background is no colour.
        RequestError: A number is not known.
    """
    for field, value in message.ListFields():
        if field.enum_type and value not in field.enum_type.values_by_number:
            known = ", ".join(entry.name for entry in field.enum_type.values[1:])
            raise RequestError(f"{field.name} {value} is not known: {known} are")
    wishes = Wishes(
        keeps_profile=message.color_profile == COLOR_PROFILE_KEEP,
        keeps_metadata=message.metadata == METADATA_KEEP,
        takes_all_frames=message.frames == FRAMES_ALL,
        background=message.background,
        holds_grey=all(1 in codec.channels for codec in codecs),
        holds_alpha=all(4 in codec.channels for codec in codecs),
    )
    for codec in codecs:
        wishes.check(codec)
    return wishes


def codec_from(options: CodecOptions) -> Codec:
    """Returns the codec that a message asks for; options that are not set take the codec's defaults.

    Raises:
        RequestError: No codec is set.
        InvalidOptionError: The codec does not take a value.
    """
    codec_id = options.WhichOneof("codec")
    if codec_id == "auto":
        raise RequestError("auto needs a goal, by which the codecs are compared: set one")
    if codec_id is None:
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

"""The settings of a plan, checked by the compressor before anything is run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ganpress.v1.codec_pb2 import CodecInfo, CodecOptions

from client.api import GanpressClient
from client.codec_options import ALIASES, OptionValue, build_options, codec_names, options_given
from client.errors import GanpressError, TimeoutExceededError, UnreachableError
from client.experiment.plan.model import CodecSetting
from client.experiment.plan.reading import Location, PlanFile


@dataclass(frozen=True)
class Setting:
    """One codec with its options, or with another setting whose size is its goal."""

    codec: str
    """Codec name."""
    technique: str
    """Technique it belongs to: "dct", "kmeans" or "pillow"."""
    text: str
    """The options that are set, as in "quality=75"; "lossless" or "default" when none is."""
    message: CodecOptions
    """What a request holds; of a search without the option that is looked for."""
    equal_size_to: CodecOptions | None = None
    """Whose size its files are not to exceed."""

    def with_found(self, name: str, value: str) -> CodecOptions:
        """Returns the message of a search with the value that was found for its option.

        Under "lossless" the option is left out, and without a name nothing was looked for.
        """
        found = {name: value} if name and value != "lossless" else {}
        return build_options(self.codec, {**options_given(self.message), **found})


async def resolve_settings(client: GanpressClient, plan_file: PlanFile) -> list[Setting]:
    """Returns the settings of a plan in their order, each once.

    Raises:
        InputError: The compressor has not what the plan names; the message names the line.
        ServiceError: The compressor cannot be asked.
    """
    infos = {info.name: info for info in (await client.list_codecs()).codecs}
    settings: dict[tuple[str, str], Setting] = {}
    for number, entry in enumerate(plan_file.plan.codecs):
        location: Location = ("codecs", number)
        info = _info(entry.codec, infos, plan_file, (*location, "codec"))
        for options in entry.combinations():
            message = await _checked(client, info.name, options, plan_file, location)
            if entry.equal_size_to:
                setting = await _search(
                    client, plan_file, location, info, message, entry.equal_size_to, infos
                )
            else:
                nothing_set = "lossless" if info.lossless else "default"
                text = setting_text(options_given(message).items()) or nothing_set
                setting = Setting(info.name, info.technique, text, message)
            settings.setdefault((setting.codec, setting.text), setting)
    return list(settings.values())


def setting_text(options: Iterable[tuple[str, OptionValue]]) -> str:
    """Returns options as a user writes them: "quality=75 color_space=rgb"."""
    return " ".join(f"{name}={_value_text(value)}" for name, value in options)


def _value_text(value: OptionValue) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def _info(codec: str, infos: Mapping[str, CodecInfo], plan_file: PlanFile, location: Location) -> CodecInfo:
    codec = ALIASES.get(codec, codec)
    if codec not in codec_names():
        raise plan_file.error(
            location, f"there is no codec {codec!r}: the codecs are {', '.join(sorted(infos))}"
        )
    if codec not in infos:
        raise plan_file.error(
            location, f"this compressor has no codec {codec!r}: it has {', '.join(sorted(infos))}"
        )
    return infos[codec]


async def _checked(
    client: GanpressClient,
    codec: str,
    options: Mapping[str, OptionValue],
    plan_file: PlanFile,
    location: Location,
) -> CodecOptions:
    """Returns the message of a codec with options that the compressor accepts."""
    try:
        return await client.codec_options(codec, options)
    except (UnreachableError, TimeoutExceededError):
        raise
    except GanpressError as error:
        name = next((name for name in options if name in str(error)), "")
        where = (*location, "options", *([name] if name else []))
        raise plan_file.error(where, str(error)) from error


async def _search(
    client: GanpressClient,
    plan_file: PlanFile,
    location: Location,
    info: CodecInfo,
    message: CodecOptions,
    other: CodecSetting,
    infos: Mapping[str, CodecInfo],
) -> Setting:
    option, given = info.goal_setting, options_given(message)
    if not option:
        having = ", ".join(sorted(info.name for info in infos.values() if info.goal_setting))
        raise plan_file.error(
            (*location, "codec"),
            f"codec {info.name} has no option to search a size with: those that have are {having}",
        )
    if option in given:
        raise plan_file.error(
            (*location, "options", option), f"equal_size_to searches {option}: it cannot be among the options"
        )
    inside = (*location, "equal_size_to")
    other_info = _info(other.codec, infos, plan_file, (*inside, "codec"))
    reference = await _checked(client, other_info.name, other.options, plan_file, inside)
    words = setting_text(options_given(reference).items())
    text = " ".join(part for part in ("size of", other_info.name, words) if part)
    text = ", ".join(part for part in (text, setting_text(given.items())) if part)
    return Setting(info.name, info.technique, text, message, equal_size_to=reference)

"""Command-line options for what is asked of a compressor: a goal, how files are read, how many at a time."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click
from ganpress.v1.goal_pb2 import Goal
from ganpress.v1.input_pb2 import InputOptions

from client.compression import goal, input_options

Command = TypeVar("Command", bound=Callable[..., Any])

_UNITS = {"": 1, "K": 1024, "M": 1024**2}


@dataclass(frozen=True)
class Target:
    """What a file has to reach, as the user said."""

    message: Goal | None
    """The goal; None without one."""
    asked: dict[str, float] = field(default_factory=dict[str, float])
    """The same for a sidecar; empty without one."""


@dataclass(frozen=True)
class Reading:
    """How files are read, as the user said."""

    message: InputOptions | None
    """The options; None for the defaults."""
    asked: dict[str, str]
    """Those that are not the defaults, for a sidecar."""


class ByteCount(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - click before 8.2 has none
    """A number of bytes, such as 60600, 60KB or 1.5MB; 1 KB is 1024 bytes, as in the reports."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Returns the number, rounded down."""
        match = re.fullmatch(r"(-?[\d.]+)\s*([KM]?)(?:i?B)?", str(value).strip(), re.IGNORECASE)
        try:
            number = float(match[1]) * _UNITS[match[2].upper()] if match else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number of bytes, such as 60600, 60KB or 1.5MB", param, ctx)
        return math.floor(number)


def goal_options(command: Command) -> Command:
    """Adds the options --target-...; the command gets a `target`."""

    @functools.wraps(command)
    def wrapped(
        target_bytes: int | None,
        target_bpp: float | None,
        target_psnr: float | None,
        target_ssim: float | None,
        target_ssimulacra2: float | None,
        **arguments: Any,
    ) -> Any:
        given = {
            "target_bytes": target_bytes,
            "target_bpp": target_bpp,
            "target_psnr_db": target_psnr,
            "target_ssim": target_ssim,
            "target_ssimulacra2": target_ssimulacra2,
        }
        message = goal(**given)  # type: ignore[arg-type] - one of them is an int
        asked = {name: value for name, value in given.items() if value is not None}
        return command(target=Target(message, asked), **arguments)

    options = [
        click.option(
            "--target-bytes",
            type=ByteCount(),
            metavar="SIZE",
            help="Best quality in at most this many bytes, such as 60600, 60KB or 1.5MB.",
        ),
        click.option(
            "--target-bpp", type=float, metavar="BITS", help="Best quality in at most this many bits a pixel."
        ),
        click.option("--target-psnr", type=float, metavar="DB", help="Smallest file of at least this PSNR."),
        click.option("--target-ssim", type=float, metavar="X", help="Smallest file of at least this SSIM."),
        click.option(
            "--target-ssimulacra2", type=float, metavar="X", help="Smallest file of at least this score."
        ),
    ]
    return _with(wrapped, options)


def reading_options(command: Command) -> Command:
    """Adds the options on what becomes of metadata, profiles, frames and transparency; gives a `reading`."""

    @functools.wraps(command)
    def wrapped(
        metadata: Any, color_profile: Any, frames: Any, background: str | None, **arguments: Any
    ) -> Any:
        message = input_options(
            color_profile=color_profile, metadata=metadata, frames=frames, background=background or ""
        )
        given = {"metadata": metadata, "color_profile": color_profile, "frames": frames}
        defaults = {"metadata": "strip", "color_profile": "convert", "frames": "first"}
        asked = {name: word for name, word in given.items() if word != defaults[name]}
        if background:
            asked["background"] = background
        return command(reading=Reading(message if asked else None, asked), **arguments)

    options = [
        click.option(
            "--metadata",
            type=click.Choice(["strip", "keep"]),
            default="strip",
            show_default=True,
            help="What becomes of EXIF and XMP.",
        ),
        click.option(
            "--color-profile",
            type=click.Choice(["convert", "keep"]),
            default="convert",
            show_default=True,
            help="Convert colours to sRGB, or keep them with their ICC profile.",
        ),
        click.option(
            "--frames",
            type=click.Choice(["first", "all"]),
            default="first",
            show_default=True,
            help="Frames of animations: the first, or all (WebP, AVIF).",
        ),
        click.option(
            "--background",
            metavar="#RRGGBB",
            help="Lay transparent images on this colour; else transparency is kept, or refused by codecs "
            "without it.",
        ),
    ]
    return _with(wrapped, options)


jobs_option = click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Images worked on at a time; else as many as the compressor has CPUs.",
)


def _with(command: Any, options: list[Any]) -> Any:
    for option in reversed(options):
        command = option(command)
    return command

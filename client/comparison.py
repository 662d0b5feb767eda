"""One image through several codecs, at equal size or at equal quality: the study's comparison, automated."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from ganpress.v1.compressor_service_pb2 import CompressResponse, EvaluateResponse
from ganpress.v1.goal_pb2 import Goal
from ganpress.v1.input_pb2 import InputOptions

from client import scores
from client.api import GanpressClient
from client.compression import goal
from client.errors import GanpressError, InputError, UnreachableError
from client.records import finite

ANCHOR = "dct"
"""Codec whose default settings give the size, when no goal is given."""


@dataclass(frozen=True)
class Entry:
    """One codec at the goal."""

    codec: str
    """Its name."""
    response: CompressResponse
    """The file and how it was found."""
    quality: EvaluateResponse
    """What the file has lost."""

    @property
    def setting(self) -> str:
        """Returns what was searched, such as "quality=62"."""
        report = self.response.goal
        return f"{report.setting}={report.setting_value}" if report.setting else ""

    def record(self) -> dict[str, Any]:
        """Returns the entry as JSON can hold it."""
        stats = self.response.stats
        metrics = scores.values(self.quality).items()
        return {
            "codec": self.codec,
            "setting": self.setting,
            "output_bytes": stats.output_bytes,
            "bits_per_pixel": stats.bits_per_pixel,
            **{name: None if value is None else finite(value) for name, value in metrics},
            "encodes": self.response.goal.encodes,
            "encode_ms": round(stats.encode_ms, 1),
        }


@dataclass(frozen=True)
class Missed:
    """One codec that could not reach the goal."""

    codec: str
    """Its name."""
    reason: str
    """Why not, one sentence."""


@dataclass(frozen=True)
class Comparison:
    """What was found."""

    asked: dict[str, float]
    """The goal."""
    entries: list[Entry]
    """Codecs at the goal, the best first."""
    missed: list[Missed]
    """Those that could not reach it."""


async def searchable(client: GanpressClient, names: Sequence[str]) -> list[str]:
    """Returns the codecs to compare: those named, or all that have a setting to search.

    Raises:
        InputError: There is no such codec, or nothing to search in it.
    """
    codecs = (await client.list_codecs()).codecs
    found = [codec.name for codec in codecs if codec.goal_setting]
    for name in names:
        if name not in found:
            raise InputError(
                f"codec {name!r} cannot be compared: those with a setting to search are {', '.join(found)}"
            )
    return list(names) or found


async def default_goal(
    client: GanpressClient, image: bytes, reading: InputOptions | None
) -> dict[str, float]:
    """Returns the size that the DCT codec gives by default."""
    response = await client.compress(image, ANCHOR, skip_metrics=True, reading=reading)
    return {"target_bytes": response.stats.output_bytes}


async def compare(
    client: GanpressClient,
    image: bytes,
    codecs: Sequence[str],
    asked: dict[str, float],
    reading: InputOptions | None,
) -> AsyncIterator[Entry | Missed]:
    """Yields what each codec reaches, in their order, one after the other so that times are comparable."""
    message = goal(**asked)  # type: ignore[arg-type] - the number of bytes is an int
    for codec in codecs:
        try:
            yield await _entry(client, image, codec, message, reading)
        except UnreachableError:
            raise
        except GanpressError as error:
            yield Missed(codec, str(error))


def ranked(asked: dict[str, float], found: Sequence[Entry | Missed]) -> Comparison:
    """Returns the entries with the best first: by quality at a size, by bytes at a quality."""
    entries = [entry for entry in found if isinstance(entry, Entry)]
    if {"target_bytes", "target_bpp"} & asked.keys():
        entries.sort(key=_quality, reverse=True)
    else:
        entries.sort(key=lambda entry: entry.response.stats.output_bytes)
    return Comparison(asked, entries, [entry for entry in found if isinstance(entry, Missed)])


async def pictures(
    client: GanpressClient, image: bytes, entries: Sequence[Entry], reading: InputOptions | None
) -> list[tuple[str, bytes]]:
    """Returns what a browser shows of the original and each entry: media type and file.

    Files that browsers know are shown as they are; the others, and the original, as PNG.
    """

    async def shown(entry: Entry) -> tuple[str, bytes]:
        if entry.response.media_type in _SHOWN_BY_BROWSERS:
            return entry.response.media_type, entry.response.data
        return "image/png", (await client.decompress(entry.response.data)).image

    original = await client.decompress(image, reading=reading)
    return [("image/png", original.image), *await asyncio.gather(*map(shown, entries))]


_SHOWN_BY_BROWSERS = {"image/jpeg", "image/png", "image/webp", "image/avif", "image/gif"}


async def _entry(
    client: GanpressClient, image: bytes, codec: str, message: Goal | None, reading: InputOptions | None
) -> Entry:
    response = await client.compress(image, codec, skip_metrics=True, goal=message, reading=reading)
    return Entry(codec, response, await client.evaluate(image, response.data, reading=reading))


def _quality(entry: Entry) -> float:
    """Returns what ranks an entry: SSIMULACRA2 where the image has it, PSNR where not."""
    if entry.quality.HasField("ssimulacra2"):
        return entry.quality.ssimulacra2
    return entry.quality.psnr_db if not math.isnan(entry.quality.psnr_db) else -math.inf

"""Loads and compiles all that the codecs need: `python -m services.compressor.warm_up`.

The codecs' inner loops are compiled by Numba when they are first run, which takes a minute or more; what was
compiled is kept in a cache (docs/adr/0011-compiled-code-is-cached.md). A server does this before it is ready,
an image's build does it once for all containers.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import click
import numpy as np
from numba.core import event  # pyright: ignore[reportMissingTypeStubs]

from services.compressor.codecs import (
    Codec,
    CodecError,
    FileCodec,
    InvalidOptionError,
    Pixels,
    decode,
    get_codec,
    list_codecs,
    psnr,
    ssim,
)
from services.compressor.codecs.repack import Repack

BUILT_CACHE = Path(sys.prefix) / "share/ganpress/numba"
"""Where an image's build leaves what it compiled."""

_SIDE_PX = 72  # more than one block of the largest kind, and a part of one
_UNSET_OPTIONS: dict[str, dict[str, object]] = {"dct": {"threshold": 0.02}}
"""Options that are unset by default and take another way through a codec."""


def warm_up() -> int:
    """Puts small images through every codec and each way through it; returns the number of files written."""
    unpack_cache(BUILT_CACHE)
    files = 0
    image, *others = _images()
    for codec in _ways():
        for picture in (image, *others):
            with suppress(CodecError):  # it does not hold images of this kind
                decode(codec.encode(picture))
                files += 1
    for is_progressive in (False, True):
        Repack().encode_file(get_codec("jpeg", progressive=is_progressive).encode(others[0]))
        files += 1
    psnr(image, image)
    ssim(image, image)
    return files


def compile_codec(codec: Codec, announce: Callable[[], None]) -> None:
    """Compiles what one codec needs unless it is in the cache; calls `announce` before it compiles at all."""
    unpack_cache(BUILT_CACHE)
    _, image, _ = _images()
    listening = cast("Any", event).install_listener
    with listening("numba:compile", _FirstStart(announce)):
        if isinstance(codec, FileCodec):
            codec.restore_file(codec.encode_file(get_codec("jpeg").encode(image)))
        else:
            decode(codec.encode(image))


class _FirstStart(event.Listener):
    """Calls a function when the first event begins."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def on_start(self, event: Any) -> None:  # noqa: ARG002
        """Begins."""
        if self._call:
            call, self._call = self._call, None
            call()

    def on_end(self, event: Any) -> None:
        """Ends."""


def unpack_cache(built: Path) -> None:
    """Copies what was compiled at the build of an image to NUMBA_CACHE_DIR.

    Numba takes no cache from a folder that it cannot write to, and an image's file system is read-only.
    """
    target = os.environ.get("NUMBA_CACHE_DIR")
    if target and built.is_dir() and built != Path(target):
        shutil.copytree(built, target, dirs_exist_ok=True)


def _ways() -> Iterator[Codec]:
    """Yields every codec with its defaults, ours also with each value of every option that is a choice."""
    for codec in list_codecs():
        yield codec()
        if codec.technique == "pillow":
            continue  # its libraries come compiled
        for name, values in codec.choices().items():
            for value in values:
                with suppress(InvalidOptionError):  # at odds with another option's default
                    yield codec(**{name: value})
        if codec.id in _UNSET_OPTIONS:
            yield codec(**_UNSET_OPTIONS[codec.id])


def _images() -> Iterator[Pixels]:
    """Yields a flat and a noisy half in grey, in colour and with transparency."""
    for channels in (1, 3, 4):
        image = np.random.default_rng(0).integers(0, 256, (_SIDE_PX, _SIDE_PX, channels), np.uint8)
        image[: _SIDE_PX // 2] = 200
        yield image


@click.command(help=__doc__)
def main() -> None:
    """Warms up and says how long it took."""
    start_s = perf_counter()
    files = warm_up()
    click.echo(f"the codecs are compiled and loaded: {files} files in {perf_counter() - start_s:.1f} s")


if __name__ == "__main__":
    main()

"""Compiles the codecs of the services in this process before a call's time runs.

The inner loops of our codecs are compiled when they are first used on a machine, which may take longer than
any call may; later they are loaded.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import click
from ganpress.v1.codec_pb2 import CodecOptions

from client.codec_options import AUTO

_SLOW_TO_COMPILE = {"dct", "kmeans", "repack"}
_ready: set[str] = set()
_compiling = threading.Lock()


async def compile_for_options(options: CodecOptions) -> None:
    """Compiles what a codec with these options needs; wrong options are left for the service to refuse."""
    codec = options.WhichOneof("codec") or ""
    if codec == AUTO:
        options, codec = CodecOptions(), "dct"
        options.dct.SetInParent()
    if codec in _SLOW_TO_COMPILE:
        await asyncio.to_thread(_compile, options)


async def compile_for_file(data: bytes) -> None:
    """Compiles what decoding a file of ours needs; broken files are left for the service to refuse."""
    from services.compressor.codecs import CodecError, identify

    options = CodecOptions()
    with suppress(CodecError):
        codec = identify(data)
        if codec in _SLOW_TO_COMPILE:
            getattr(options, codec).SetInParent()
            await asyncio.to_thread(_compile, options)


def _compile(options: CodecOptions) -> None:
    from services.compressor.codecs import CodecError
    from services.compressor.options import codec_from
    from services.compressor.warm_up import compile_codec

    with _compiling, suppress(CodecError):
        name = str(options)
        if name not in _ready:
            compile_codec(codec_from(options), _announce)
            _ready.add(name)


def _announce() -> None:
    click.echo("compiling the codecs once, about half a minute", err=True)

"""`client codecs`: what a compressor can do."""

from __future__ import annotations

import click
from ganpress.v1.codec_pb2 import CodecInfo
from ganpress.v1.compressor_service_pb2 import ListCodecsResponse
from google.protobuf import json_format

from client.api import GanpressClient
from client.codec_options import ALIASES
from client.errors import InputError
from client.options import Connection, connection_options, json_option
from client.tables import print_fields, print_table


@click.command(short_help="List the codecs, or show one's options.")
@click.argument("name", required=False)
@json_option
@connection_options("compressor")
def codecs(connection: Connection, name: str | None, as_json: bool) -> None:
    """List the codecs that the compressor has, or show the options of the codec NAME."""

    async def work(client: GanpressClient) -> ListCodecsResponse:
        return await client.list_codecs()

    answer = connection.run(work)
    codec = _find(answer, name) if name else None
    if as_json:
        click.echo(json_format.MessageToJson(codec or answer, preserving_proto_field_name=True))
    elif codec:
        _print_codec(codec)
    else:
        _print_codecs(answer)


def _find(answer: ListCodecsResponse, name: str) -> CodecInfo:
    wanted = ALIASES.get(name, name)
    for codec in answer.codecs:
        if codec.name == wanted:
            return codec
    raise InputError(f"there is no codec {name!r}: the codecs are {', '.join(c.name for c in answer.codecs)}")


def _print_codecs(answer: ListCodecsResponse) -> None:
    rows = [
        [
            codec.name,
            codec.technique,
            codec.file_extension,
            "yes" if codec.lossless else "no",
            ", ".join(parameter.name for parameter in codec.parameters),
            codec.description,
        ]
        for codec in answer.codecs
    ]
    print_table(["codec", "technique", "file", "lossless", "options", "what it does"], rows)
    click.echo(f"\nat most {answer.max_pixels} pixels an image and {answer.max_message_bytes} bytes a file")


def _print_codec(codec: CodecInfo) -> None:
    print_fields(
        {
            "codec": codec.name,
            "technique": codec.technique,
            "what it does": codec.description,
            "file": f"{codec.file_extension}, {codec.media_type}",
            "lossless": "yes" if codec.lossless else "no",
        }
    )
    if codec.parameters:
        click.echo()
        rows = [[p.name, p.accepts, p.default_value, p.description] for p in codec.parameters]
        print_table(["option", "accepts", "default", "what it does"], rows)

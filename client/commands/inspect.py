"""`client inspect`: tells what image files are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from client import sidecar
from client.errors import InputError, PartialError
from client.inspection import Inspection, inspect_image
from client.options import inputs_argument, json_option
from client.records import size_text
from client.samples import Rejected, Sample
from client.tables import print_fields
from client.terminal import note, open_source


@click.command(short_help="Tell what image files are and where they come from.")
@inputs_argument
@json_option
def inspect(inputs: Sequence[str], as_json: bool) -> None:
    """Tell what image files are.

    That is codec, size, samples, settings, metadata, whether the checksums match, and the model, label and
    seed that an image comes from.

    INPUTS are image files, folders, patterns, tars, archives and URLs; without any, stdin is an image or a
    tar. Nothing is decoded and no service is needed. With --json each image is one line.
    """
    source = open_source(inputs)
    count = failed = 0
    for item in source:
        count += 1
        try:
            _print(item, as_json, is_first=count == 1)
        except InputError as error:
            failed += 1
            note(f"error: {item.name}: {error}")
            if as_json:
                click.echo(json.dumps({"name": item.name, "error": str(error)}))
    if not count:
        raise InputError("there are no images in the input")
    if failed:
        raise PartialError(f"{failed} of {count} images are damaged or cannot be read")


def _print(item: Sample | Rejected, as_json: bool, *, is_first: bool) -> None:
    """Prints what an image is.

    Raises:
        InputError: It is none, or it is damaged, which then has been printed.
    """
    if isinstance(item, Rejected):
        raise InputError(item.reason)
    found = inspect_image(item.image)
    fields = item.companions.get(sidecar.EXTENSION)
    described = sidecar.parse(fields) if fields else {}
    if as_json:
        click.echo(json.dumps({"name": item.name, **asdict(found), "sidecar": described}, ensure_ascii=False))
    else:
        if not is_first:
            click.echo()
        click.echo(item.name)
        print_fields(_lines(found, described))
    if not found.is_sound:
        raise InputError("it is damaged: its checksum does not match")


def _lines(found: Inspection, described: dict[str, Any]) -> dict[str, str]:
    """Returns what is shown of an image, by the name of the line."""
    frames = f", {found.frames} frames" if found.frames > 1 else ""
    turned = f", to be turned (EXIF orientation {found.orientation})" if found.orientation > 1 else ""
    lines = {
        "  codec": found.codec,
        "  size": f"{found.width_px}x{found.height_px}, {found.samples}{frames}{turned}",
        "  file": f"{size_text(found.size_bytes)}, {found.bits_per_pixel:.3f} bits a pixel",
        "  checksum": found.checksum,
        "  settings": ", ".join(f"{name} {value}" for name, value in found.settings.items()),
        "  metadata": ", ".join(f"{name} {size_text(size)}" for name, size in found.metadata.items()),
    }
    lines |= {f"  {name}": value for name, value in found.provenance.items()}
    lines |= {f"  .json {name}": json.dumps(value, ensure_ascii=False) for name, value in described.items()}
    return lines

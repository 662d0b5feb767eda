"""The comparison as one HTML page that needs nothing else: a slider between two results, and the table."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from client.comparison import Comparison
from client.records import size_text
from client.scores import words


def to_html(
    name: str, image_bytes: int, comparison: Comparison, pictures: Sequence[tuple[str, bytes]]
) -> str:
    """Returns the page.

    Args:
        name: What the image is called.
        image_bytes: Bytes of its file.
        comparison: What was found.
        pictures: Media type and file of the original and of each entry.
    """
    layers: list[dict[str, Any]] = [{"label": f"original, {size_text(image_bytes)}"}]
    layers += [
        {
            "label": f"{entry.codec}, {size_text(entry.response.stats.output_bytes)}",
            "cells": table_row(entry.record()),
        }
        for entry in comparison.entries
    ]
    for layer, (media_type, data) in zip(layers, pictures, strict=True):
        layer["source"] = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    size = comparison.entries[0].quality.size if comparison.entries else None
    goal = ", ".join(f"{asked.replace('_', ' ')} {value:g}" for asked, value in comparison.asked.items())
    template = files("client").joinpath("comparison.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        title=escape(name),
        facts=escape(
            f"{f'{size.width_px}x{size.height_px}, ' if size else ''}{size_text(image_bytes)}; {goal}"
        ),
        head="".join(f"<th>{escape(head)}</th>" for head in HEADS),
        missed="".join(f"<li>{escape(miss.codec)}: {escape(miss.reason)}</li>" for miss in comparison.missed),
        # A file may be called </script>.
        layers=json.dumps(layers).replace("</", "<\\/"),
    )


HEADS = (
    "codec", "setting", "bytes", "bits a pixel", "PSNR", "PSNR-Y", "SSIM", "MS-SSIM", "SSIMULACRA2", "ms",
)  # fmt: skip


def table_row(record: dict[str, Any]) -> list[str]:
    """Returns an entry's cells, as the page and the terminal show them."""
    metrics = ("psnr_db", "psnr_y_db", "ssim", "ms_ssim", "ssimulacra2")
    return [
        record["codec"],
        record["setting"],
        str(record["output_bytes"]),
        f"{record['bits_per_pixel']:.3f}",
        *("" if record[name] is None else words(name, record[name]).split(" ", 1)[1] for name in metrics),
        f"{record['encode_ms']:.0f}",
    ]

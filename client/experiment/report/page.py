"""A report as one HTML page that needs no other file and no network."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from client.experiment.report.blocks import Block, Chart, Picture, Report, Viewer

_FOLDER = Path(__file__).parent
_ASSETS = _FOLDER / "assets"
_STYLES = ("page.css", "figures.css", "viewer.css")
_LIBRARIES = ("d3.min.js", "plot.umd.min.js")
_SCRIPTS = ("theme.js", "tables.js", "charts.js", "viewer.js")
DIGITS = 5
"""Significant digits of the numbers that charts hold."""


def to_html(report: Report) -> str:
    """Returns the report as HTML with its styles, scripts, data and pictures inside."""
    blocks = [block for section in report.sections for block in section.blocks]
    # The libraries are half a megabyte: a page without charts does without.
    scripts = (*(_LIBRARIES if any(isinstance(block, Chart) for block in blocks) else ()), *_SCRIPTS)
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    filters: dict[str, Callable[..., Any]] = {
        "kind": _kind,
        "inline": _inline,
        "url": data_url,
        "data": _data,
    }
    cast("Any", environment).filters.update(filters)
    return environment.get_template("page.html").render(
        report=report,
        styles=[Markup(_asset(name)) for name in _STYLES],  # noqa: S704 - our own files
        scripts=[Markup(_asset(name)) for name in scripts],  # noqa: S704
    )


def data_url(picture: Picture) -> str:
    """Returns a picture as a URL that holds it."""
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"


@cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8").replace("</script", "<\\/script")


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


def _inline(text: str) -> Markup:
    """Returns a text as HTML: bold between `**`, literal between backticks."""
    html = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(text))
    return Markup(re.sub(r"`(.+?)`", r"<code>\1</code>", html))  # noqa: S704 - escaped above


def _data(block: Block) -> Markup:
    """Returns what the scripts need of a block as JSON that may stand in a script element."""
    if isinstance(block, Viewer):
        content: Any = [
            {
                "title": one.title,
                "pictures": [
                    {
                        "title": picture.title,
                        "detail": picture.detail,
                        "url": data_url(picture),
                        "width": picture.width_px,
                        "height": picture.height_px,
                    }
                    for picture in (one.original, *one.results)
                ],
            }
            for one in block.comparisons
        ]
    else:
        content = _rounded(asdict(block))
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704


def _rounded(content: Any) -> Any:
    """Returns the content with its numbers as short as a chart needs them."""
    if isinstance(content, float):
        return float(f"{content:.{DIGITS}g}")
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]  # pyright: ignore[reportUnknownVariableType]
    return content

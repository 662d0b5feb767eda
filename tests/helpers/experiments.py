"""Plans for tests, and what their runs leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from client.experiment.store.schema import VOLATILE
from tests.helpers.images import jpeg_file, png_file


def write_images(folder: Path, count: int = 4) -> Path:
    """Makes a folder `small/` and `tall/` of small images, half of them JPEG, and a text."""
    for number in range(count):
        place = folder / ("small" if number % 2 else "tall")
        place.mkdir(parents=True, exist_ok=True)
        data = png_file(24, 32, seed=number) if number % 2 else jpeg_file(20, 40, seed=number)
        (place / f"{number:03}.{'png' if number % 2 else 'jpg'}").write_bytes(data)
    (folder / "readme.txt").write_text("no image")
    return folder


def plan(images: Path, **changes: Any) -> dict[str, Any]:
    """Returns a plan of seven images and four settings that needs no compiled codec."""
    return {
        "name": "tiny",
        "data": str(images),
        "keep_images": 1,
        "metrics": ["psnr_rgb_db", "psnr_y_db", "ssim"],
        "sources": [
            {"name": "drawn", "kind": "generated", "model": "cars", "labels": "all", "count": 3},
            {"name": "photos", "kind": "real", "images": ".", "labels": "folder"},
        ],
        "codecs": [
            {"codec": "jpeg", "options": {"quality": [50, 85]}},
            {"codec": "webp", "equal_size_to": {"codec": "jpeg"}},
            {"codec": "png"},
        ],
        **changes,
    }


def write_plan(path: Path, content: dict[str, Any]) -> Path:
    """Writes a plan as YAML."""
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def results(folder: Path) -> pa.Table:
    """Returns the rows of a run that has ended."""
    return pq.read_table(folder / "results.parquet")


def comparable(table: pa.Table) -> list[dict[str, Any]]:
    """Returns the rows without what differs from run to run."""
    return table.drop_columns(list(VOLATILE)).to_pylist()


def manifest(folder: Path) -> dict[str, Any]:
    """Returns the manifest of a run."""
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))

"""Results of experiments and folders of runs for tests of reports, by the real commands."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from tests.helpers.cli import run_cli
from tests.helpers.experiments import write_plan
from tests.helpers.images import jpeg_file, png_file

PLAN: dict[str, Any] = {
    "name": "small",
    "description": "Two sources, three codecs.",
    "keep_images": 2,
    "metrics": ["psnr_rgb_db", "ssim"],
    "sources": [
        {"name": "drawn", "kind": "generated", "model": "cars", "labels": "all", "count": 6},
        {"name": "photos", "kind": "real", "images": ".", "labels": "folder"},
    ],
    "perturbations": ["none", {"rotate": 90}],
    "codecs": [
        {"codec": "jpeg", "options": {"quality": [30, 50, 70, 90]}},
        {"codec": "webp", "options": {"quality": [30, 50, 70, 90]}},
        {"codec": "webp", "equal_size_to": {"codec": "jpeg", "options": {"quality": 50}}},
        {"codec": "png"},
    ],
}


def run_experiment(folder: Path) -> Path:
    """Runs a small plan, a broken image among its images, and returns its results."""
    for number in range(4):
        place = folder / "images" / ("wide" if number % 2 else "tall")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.jpg").write_bytes(jpeg_file(*((64, 40) if number % 2 else (40, 64)), seed=number))
    (folder / "images/wide/broken.jpg").write_bytes(jpeg_file(seed=9)[:200])
    plan = write_plan(folder / "plan.yaml", {**PLAN, "data": str(folder / "images")})
    result = run_cli("experiment", "run", plan, "-o", folder / "results")
    assert result.exit_code == 1, result.stderr
    assert "failed" in result.stderr
    return folder / "results"


def write_run(folder: Path) -> Path:
    """Makes a folder as `ganpress-trainer train` does."""
    (folder / "samples").mkdir(parents=True)
    config = {"architecture": "dcgan", "loss": "minimax", "batch_size": 20, "image_size_px": 64}
    (folder / "config.json").write_text(json.dumps(config))
    rows = [
        {
            "epoch": step / 10,
            "elapsed_s": step,
            "images_per_s": 100.0,
            "d_loss": math.sin(step),
            "g_loss": 2.0,
        }
        for step in range(1, 60)
    ]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows) + "{cut short")
    for name in ("epoch-0001.0", "epoch-0005.9"):
        (folder / f"samples/{name}.png").write_bytes(png_file(90, 60))
    return folder

"""Folders of training studies, as `ganpress-trainer study` writes them, made in milliseconds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from tests.helpers.images import png_file

COLAB = {"epochs": 50.0, "hardware": "one Colab GPU"}
EIGHT = {
    ("cars", "train"): (8000, 20, 52, 162),
    ("cars", "test"): (8000, 20, 48, 154),
    ("dogs", "train"): (4000, 15, 28, 73),
    ("dogs", "test"): (1000, 5, 12, 23),
}


def study_record(**changes: Any) -> dict[str, Any]:
    """Returns study.json of the study's eight runs: all finished at twice the study's speed but the last."""
    runs = [
        _run(data, split, preset, model, row[0], row[1], 60.0 * row[2 + place])
        for (data, split), row in EIGHT.items()
        for place, (preset, model) in enumerate((("dcgan", "DCGAN"), ("wgan-gp", "CGAN")))
    ]
    for name in ("steps", "epochs", "duration_s", "images_per_s", "losses", "diversity", "evaluation"):
        runs[-1][name] = None
    runs[-1]["status"] = "planned"
    runs[1] |= {"status": "diverged", "error": "training diverged at step 7 <nan>"}
    record: dict[str, Any] = {
        "format": "ganpress-study",
        "version": 1,
        "command": "ganpress-trainer study --out a&b",
        "machine": {
            "cpu": "A CPU", "cores": 2, "gpu": "A GPU", "memory_bytes": 2**34, "system": "Linux x86_64",
        },
        "versions": {"python": "3.11.7", "torch": "2.12.0"},
        "runs": runs,
    }  # fmt: skip
    return record | changes


def write_study(folder: Path, **changes: Any) -> Path:
    """Writes a study with its losses and pictures to `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    record = study_record(**changes)
    (folder / "study.json").write_text(json.dumps(record))
    for run in record["runs"]:
        if run["status"] == "planned":
            continue
        (folder / run["files"]["run"]).mkdir(parents=True)
        rows = [
            {"step": step, "epoch": step / 100, "d_loss": math.sin(step / 300), "g_loss": 2 - step / 5000}
            for step in range(50, 5050, 50)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / run["files"]["run"] / "metrics.jsonl").write_text(text + '{"step": 5050, "ep')
        (folder / run["name"]).mkdir()
        for kind in ("real", "generated"):
            (folder / run["files"][kind]).write_bytes(png_file(48, 32, seed=len(kind)))
    return folder


def _run(
    data: str, split: str, preset: str, model: str, images: int, batch_size: int, duration_s: float
) -> dict[str, Any]:
    name = f"{data}-{split}-{preset}"
    return {
        "name": name, "status": "finished", "data": data, "split": split, "preset": preset, "seed": 0,
        "config": {"batch_size": batch_size, "epochs": 50.0, "image_size_px": 64, "z_dim": 100},
        "data_name": data, "data_sha256": "ab" * 32, "images": images // 2,
        "images_per_label": {"dog": images // 2}, "unseen_images": 10,
        "published": COLAB | {
            "model": model, "images": images, "batch_size": batch_size, "duration_s": duration_s,
        },
        "device": "cuda (A GPU)", "steps": images * 25 // batch_size, "epochs": 50.0,
        "duration_s": duration_s / 4, "images_per_s": 2 * images * 50 / duration_s,
        "losses": {"discriminator": 0.5, "generator": 2.25}, "diversity": 0.8, "warnings": [], "error": None,
        "evaluation": {
            "target": f"runs/{name}", "kind": "run", "step": 5000, "weights": "average", "data": data,
            "data_sha256": "ab" * 32, "images": 1000, "images_per_label": None, "seeds": 3,
            "figures": [
                {"name": "kid_lite0", "value": 3.8, "spread": 0.02, "real": -0.001, "chance": None,
                 "method": "squared MMD"},
                {"name": "coverage_lite0", "value": 0.01, "spread": None, "real": 0.96, "chance": None,
                 "method": "k 5"},
            ],
            "not_measured": {"cas": "it draws without labels, or a single one"}, "notes": [],
        },
        "not_measured": None,
        "files": {
            "run": f"runs/{name}", "real": f"{name}/real.png", "generated": f"{name}/generated.png",
            "neighbours": f"runs/{name}/neighbours.png",
        },
    }  # fmt: skip

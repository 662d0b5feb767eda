"""Run folders: what a training run leaves behind, and how it is continued.

RUN/config.json      settings
RUN/data.json        what was trained on
RUN/environment.json device and versions
RUN/metrics.jsonl    one line a logged step
RUN/samples/*.png    grids at fixed noise
RUN/checkpoint.pt    newest state, replaced as a whole
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from trainer.errors import TrainerError


class RunError(TrainerError):
    """A run folder cannot be used; the message says why and what to do."""


def write_atomically(path: Path, data: bytes) -> None:
    """Writes `data` to `path` so that a reader sees the old content or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def save(path: Path, state: dict[str, Any]) -> None:
    """Replaces the checkpoint at `path` by `state`."""
    temporary = path.with_name(f".{path.name}.tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def load(path: Path) -> dict[str, Any]:
    """Returns the state that `save` wrote.

    Raises:
        RunError: there is none, or it is damaged.
    """
    if not path.is_file():
        raise RunError(f"{path} does not exist: the run has no checkpoint yet")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for a damaged file
        raise RunError(f"{path} is damaged: {error}") from error


class MetricsLog:
    """Appends one JSON object a line; on resumption, lines after the checkpoint's step are dropped."""

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        if path.exists():
            lines = [line for line in path.read_text().splitlines() if line.endswith("}")]
            kept = [line for line in lines if json.loads(line)["step"] <= step]
            write_atomically(path, "".join(f"{line}\n" for line in kept).encode())

    def append(self, row: dict[str, float]) -> None:
        """Adds one line."""
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")

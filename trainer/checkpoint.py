"""Run folders: what a training run leaves behind, and how it is continued.

RUN/config.json         settings
RUN/data.json           what was trained on, and where it was read from
RUN/environment.json    device and versions
RUN/metrics.jsonl       one line a logged step; metrics.parquet is the same table, written at the end
RUN/loss-curves.png     the same drawn; also as .svg
RUN/tensorboard/        the same as TensorBoard events
RUN/samples/*.png       grids at fixed noise
RUN/checkpoint.pt       newest state, replaced as a whole
RUN/checkpoints/*.pt    earlier states, where they are kept
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from trainer.config import Config, ConfigError
from trainer.errors import TrainerError
from trainer.files import write_atomically

FORMAT, VERSION = "ganpress-checkpoint", 1
MAY_CHANGE = frozenset({
    "epochs", "minutes", "device", "threads", "checkpoint_every_steps", "keep_checkpoints",
    "sample_every_epochs", "stop_on_collapse", "tensorboard",
})  # fmt: skip
"""Settings that may differ between a checkpoint and the run that continues it."""


class RunError(TrainerError):
    """A run folder cannot be used; the message says why and what to do."""


def save(path: Path, state: dict[str, Any], config: Config) -> None:
    """Replaces the checkpoint at `path` by `state`, made with the settings `config`.

    Raises:
        RunError: it cannot be written, because the disk is full, say; the one before is untouched.
    """
    header = {"format": FORMAT, "version": VERSION, "config": dataclasses.asdict(config)}
    buffer = io.BytesIO()
    torch.save(header | state, buffer)
    try:
        write_atomically(path, buffer.getbuffer())
    except OSError as error:
        before = "the checkpoint before it is untouched" if path.exists() else "there is none before it"
        raise RunError(
            f"the checkpoint of step {state['step']} cannot be written to {path}: {error.strerror}; {before}"
        ) from error


def load(path: Path) -> dict[str, Any]:
    """Returns the state that `save` wrote, with the settings it was made with under `config`.

    Raises:
        RunError: there is none, it is damaged, or it is of another version.
    """
    if not path.is_file():
        raise RunError(f"{path} does not exist: the run has no checkpoint yet")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for a damaged file
        raise RunError(f"{path} is damaged or cut short: it cannot be read as a checkpoint") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise RunError(f"{path} is no checkpoint of this program")
    if state["version"] != VERSION:
        raise RunError(
            f"{path} has version {state['version']} of the format, this program reads {VERSION}: "
            "use the GanPress that wrote it"
        )
    return state


def require_settings(path: Path, state: dict[str, Any], config: Config) -> None:
    """Checks that the checkpoint at `path` was made with the settings `config`, as far as they matter.

    Raises:
        RunError: it was not; the message names the first setting that differs.
    """
    now = dataclasses.asdict(config)
    for name, then in state["config"].items():
        if name not in MAY_CHANGE and now.get(name, then) != then:
            raise RunError(
                f"{path} was made with {name} {then!r}, but the run's config.json says {now[name]!r}: "
                "it is the checkpoint of another run, or config.json was changed"
            )


def load_newest(run: Path) -> tuple[Config, dict[str, Any]]:
    """Returns the settings of the run in the folder `run`, and the state of its newest checkpoint.

    Raises:
        RunError: there is no run or checkpoint, one is damaged, or they do not belong together.
    """
    config, path = load_config(run), run / "checkpoint.pt"
    state = load(path)
    require_settings(path, state, config)
    return config, state


def keep(path: Path, copy: Path) -> None:
    """Keeps the checkpoint at `path` as `copy` too, without using its space twice where the disk can."""
    copy.parent.mkdir(exist_ok=True)
    copy.unlink(missing_ok=True)
    try:
        os.link(path, copy)  # the checkpoint is replaced, never changed
    except OSError:
        shutil.copyfile(path, copy)


def load_config(run: Path) -> Config:
    """Returns the settings of the run in the folder `run`.

    Raises:
        RunError: there is no run, or its settings are damaged or of another version.
    """
    file = run / "config.json"
    if not file.is_file():
        raise RunError(f"{run} holds no run: there is no config.json in it")
    try:
        return Config.from_json(file.read_text())
    except (ValueError, TypeError) as error:
        raise RunError(f"{file} is damaged, or of another version of GanPress: {error}") from error
    except ConfigError as error:
        raise RunError(f"{file}: {error}") from error


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Replaces the file at `path` by `record`."""
    write_atomically(path, json.dumps(record, indent=2).encode())


def read_json(path: Path) -> dict[str, Any]:
    """Returns a record of a run, such as data.json.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is missing or damaged") from error

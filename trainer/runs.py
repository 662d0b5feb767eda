"""Starting and resuming runs in their folders."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from trainer import checkpoint, warmstart
from trainer.checkpoint import RunError, load_config
from trainer.config import Config
from trainer.data.dataset import Dataset
from trainer.distributed import Group
from trainer.files import write_atomically
from trainer.loop import Trainer


def require_new(run: Path) -> None:
    """Checks that the folder `run` holds no run yet.

    Raises:
        RunError: it does.
    """
    if (run / "config.json").exists():
        raise RunError(f"{run} already holds a run: continue it with resume, or choose another folder")


def start(
    config: Config, data: Dataset, run: Path, data_record: dict[str, Any], *,
    group: Group | None = None, init_from: Path | None = None,
) -> Trainer:  # fmt: skip
    """Returns the trainer of a new run in the folder `run`, which is made.

    Args:
        config: settings.
        data: images to train on.
        run: folder of the run.
        data_record: what data.json says of the images, for the model card.
        group: the processes that train together; None: this one alone.
        init_from: a run, or a checkpoint of one, whose weights to start with.

    Raises:
        RunError: the folder already holds a run, or the weights do not fit.
    """
    group = group or Group()
    group.on_first(require_new, run)
    trainer = Trainer(config, data, run, group)
    environment = _environment(trainer)
    if init_from:
        origin = warmstart.load(trainer, init_from)
        environment["init_from"] = origin
        data_record = data_record | {"terms": warmstart.terms(origin, data_record["terms"])}

    def write() -> None:
        run.mkdir(parents=True, exist_ok=True)
        checkpoint.write_json(run / "data.json", data_record)
        checkpoint.write_json(run / "environment.json", environment)
        write_atomically(run / "config.json", config.to_json().encode())

    group.on_first(write)
    return trainer


def resume(data: Dataset, run: Path, *, group: Group | None = None, config: Config | None = None) -> Trainer:
    """Returns the trainer of the run in the folder `run`, at its checkpoint.

    Args:
        data: the images it was started on.
        run: folder of the run.
        group: the processes that train together; as many as there are, not as there were.
        config: the run's settings with another end; None: as they are.

    Raises:
        RunError: there is no run or checkpoint, it is damaged, or it belongs to other data or settings.
    """
    group = group or Group()
    path = run / "checkpoint.pt"
    kept = load_config(run)
    state = checkpoint.load(path)
    checkpoint.require_settings(path, state, config or kept)
    trainer = Trainer(config or kept, data, run, group)
    trainer.restore(state)
    if config and config != kept:
        group.on_first(write_atomically, run / "config.json", config.to_json().encode())
    group.on_first(_note_device, run, _environment(trainer)["device"])
    return trainer


def _note_device(run: Path, device: str) -> None:
    """Adds the device to environment.json, where it is another than before."""
    path = run / "environment.json"
    environment = checkpoint.read_json(path)
    if environment["device"].split(", then ")[-1] != device:
        environment["device"] += f", then {device}"
        checkpoint.write_json(path, environment)


def _environment(trainer: Trainer) -> dict[str, Any]:
    """Returns what computes a run: device and versions."""
    world, threads = trainer.group.world, trainer.config.threads
    if trainer.device.type == "cuda":
        device = f"cuda ({torch.cuda.get_device_name(trainer.device)})"
    else:
        device = f"cpu ({threads} thread{'s' if threads > 1 else ''})"
    device = f"{world} x {device}" if world > 1 else device
    return {"device": device, "versions": {name: version(name) for name in ("ganpress", "torch")}}

"""Starting a run with the weights of another: its generator, average and, where it fits, discriminator.

Parts that belong to a label, such as its gain in a norm, go by the label's name: labels that both runs know
keep theirs, others start fresh.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainer import checkpoint
from trainer.checkpoint import RunError
from trainer.config import Config
from trainer.models import build

if TYPE_CHECKING:
    from trainer.loop import Trainer

_NETWORKS = ("generator", "discriminator")


def load(trainer: Trainer, source: Path) -> dict[str, Any]:
    """Gives a new run the weights of another.

    Args:
        trainer: the new run, before its first step.
        source: folder of the other run, or one of its checkpoints.

    Returns:
        What to record: the other run, its step, the digest of the checkpoint, its data, the labels that were
        taken over, and whether the discriminator fitted.

    Raises:
        RunError: there is no checkpoint, or its generator does not fit.
    """
    path = source / "checkpoint.pt" if source.is_dir() else source
    state = checkpoint.load(path)
    try:
        config = Config(**state["config"])
    except TypeError as error:
        raise RunError(f"{path} is of another version of GanPress: {error}") from error
    old, new = state["label_names"], trainer.data.label_names
    rows = [(old.index(name), new.index(name)) for name in new if name in old]
    ours, theirs = _label_tensors(trainer.config, len(new)), _label_tensors(config, len(old))
    fits: dict[str, bool] = {}
    for network in _NETWORKS:
        module = getattr(trainer.update, network)
        labelled = ours[network] & theirs[network]
        merged = _merge(module.state_dict(), state["update"][network], labelled, rows)
        fits[network] = merged is not None
        if merged is not None:
            module.load_state_dict(merged)
    if not fits["generator"]:
        raise RunError(
            f"the generator of {path} does not fit this run's: {_differences(config, trainer.config)}"
        )
    average = {
        name.removeprefix("module."): value
        for name, value in state["average"].items()
        if name.startswith("module.")
    }
    module = trainer.averaged_generator()
    merged = _merge(module.state_dict(), average, ours["generator"] & theirs["generator"], rows)
    module.load_state_dict(merged or {})
    # An average of nothing yet would soon be replaced by the generator.
    trainer.average.n_averaged.copy_(state["average"]["n_averaged"])
    run = path.parent.parent if path.parent.name == "checkpoints" else path.parent
    data = checkpoint.read_json(run / "data.json") if (run / "data.json").exists() else {}
    return {
        "run": str(run.resolve()),
        "step": state["step"],
        "checkpoint_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "data": data.get("name", ""),
        "data_terms": data.get("terms", ""),
        "data_sha256": state["data_sha256"],
        "labels": [name for name in new if name in old],
        "discriminator": fits["discriminator"],
    }


def _label_tensors(config: Config, n_labels: int) -> dict[str, set[str]]:
    """Returns the names of each network's tensors that have a row for each label.

    They are those that grow with the number of labels.
    """
    with torch.random.fork_rng(devices=[]):
        fewer, more = (dict(zip(_NETWORKS, build(config, n), strict=True)) for n in (n_labels, n_labels + 1))
    names: dict[str, set[str]] = {}
    for network in _NETWORKS:
        sizes = {name: tensor.shape for name, tensor in more[network].state_dict().items()}
        tensors = fewer[network].state_dict().items()
        names[network] = {name for name, tensor in tensors if sizes.get(name, tensor.shape) != tensor.shape}
    return names


def _merge(
    ours: dict[str, Tensor], theirs: dict[str, Tensor], labelled: set[str], rows: list[tuple[int, int]]
) -> dict[str, Tensor] | None:
    """Returns `theirs`, with `ours` in rows of labels they lack; None where the shapes do not fit.

    Args:
        ours: fresh weights by name.
        theirs: weights to take over.
        labelled: names of the tensors with a row for each label.
        rows: for each common label its row in theirs and in ours.
    """
    merged = dict(theirs)
    for name in labelled & ours.keys() & theirs.keys():
        merged[name] = ours[name].clone()
        if ours[name].shape[1:] != theirs[name].shape[1:]:
            return None
        for their_row, our_row in rows:
            merged[name][our_row] = theirs[name][their_row]
    same = {name: tensor.shape for name, tensor in ours.items()}
    return merged if {name: tensor.shape for name, tensor in merged.items()} == same else None


def _differences(theirs: Config, ours: Config) -> str:
    """Returns the settings that shape the generator and differ, for a message."""
    names = ("architecture", "image_size_px", "channels", "z_dim", "generator_features")
    pairs = [(name, getattr(theirs, name), getattr(ours, name)) for name in names]
    texts = [f"its {name} is {a!r}, here it is {b!r}" for name, a, b in pairs if a != b]
    return "; ".join(texts) or "they are built differently"


def terms(origin: dict[str, Any], own: str) -> str:
    """Returns the terms of the data of a run that started from `origin`, as `load` returned it.

    The weights have learned from both data sets; the model card has to say so.
    """
    text = (
        f"started from weights trained on {origin['data'] or 'other data'} "
        f"(step {origin['step']}, checkpoint {origin['checkpoint_sha256'][:12]}"
    )
    text += f"; {origin['data_terms']})" if origin["data_terms"] else ")"
    return f"{own}; {text}" if own else text

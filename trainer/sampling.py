"""Draws images from the generator of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from trainer.checkpoint import RunError, load_newest
from trainer.config import Config
from trainer.models import build
from trainer.models.base import Generator

Weights = Literal["average", "raw"]
BATCH_SIZE = 64


@dataclass(frozen=True)
class TrainedGenerator:
    """The generator of a run's checkpoint, ready to draw."""

    generator: Generator
    """In evaluation mode, on the CPU."""
    config: Config
    """Settings of the run."""
    labels: tuple[str, ...]
    """Names of the labels it draws; empty for an unconditional generator."""
    step: int
    """Step of the checkpoint."""
    weights: Weights
    """The running average of the weights, or the weights as trained last."""


def load_generator(run: Path, weights: Weights = "average") -> TrainedGenerator:
    """Returns the generator of the run in the folder `run`, at its checkpoint.

    Raises:
        RunError: the run has no usable checkpoint.
    """
    config, state = load_newest(run)
    generator = generator_of(config, state, weights)
    labels = tuple(state["label_names"]) if generator.n_labels else ()
    return TrainedGenerator(generator, config, labels, int(state["step"]), weights)


def generator_of(config: Config, state: dict[str, Any], weights: Weights = "average") -> Generator:
    """Returns the generator in a checkpoint's state, with batch statistics taken anew for its weights.

    The running statistics of the average in the checkpoint belong to the generator that was trained, and
    those of that one lag behind its weights.

    Raises:
        RunError: the state is of another version of the networks.
    """
    generator, _ = build(config, len(state["label_names"]))
    try:
        generator.load_state_dict(_weights(state, weights))
    except (RuntimeError, KeyError) as error:
        raise RunError("the checkpoint does not fit its networks: it is of another GanPress") from error
    rng = torch.Generator().manual_seed(config.seed)
    n_labels = max(generator.n_labels, 1)

    def batches() -> Iterator[list[tuple[Tensor, Tensor]]]:
        for _ in range(50):
            z = torch.randn(BATCH_SIZE, config.z_dim, generator=rng)
            yield [(z, torch.randint(n_labels, (BATCH_SIZE,), generator=rng))]

    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)  # sums, and with them the exported file, depend on it
    try:
        update_bn(batches(), _Unpacked(generator))
    finally:
        torch.set_num_threads(threads)
    return generator.eval()


def _weights(state: dict[str, Any], weights: Weights) -> dict[str, Tensor]:
    if weights == "raw":
        return state["update"]["generator"]
    prefix = "module."
    return {k.removeprefix(prefix): v for k, v in state["average"].items() if k.startswith(prefix)}


class _Unpacked(nn.Module):
    """Calls a generator with a pair, the form in which `update_bn` hands over a batch."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        return self.generator(*inputs)


@torch.inference_mode()
def draw(generator: Generator, labels: np.ndarray, seed: int) -> np.ndarray:
    """Draws an image for each label: uint8 [N, C, S, S]; the same for the same labels and seed.

    Args:
        generator: in evaluation mode.
        labels: int64 [N], indices of labels; any number where the generator has none.
        seed: of the noise.
    """
    device = next(generator.parameters()).device
    z = torch.randn(len(labels), generator.z_dim, generator=torch.Generator().manual_seed(seed))
    batches = zip(z.split(BATCH_SIZE), torch.from_numpy(labels).split(BATCH_SIZE), strict=True)
    images = [generator(noise.to(device), label.to(device)).float().cpu().numpy() for noise, label in batches]
    return to_uint8(np.concatenate(images))


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Returns samples 0..255 of images in -1..1, rounded."""
    return np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8)


def label_index(labels: tuple[str, ...], name: str) -> int:
    """Returns the index of a label.

    Raises:
        RunError: the generator does not draw it.
    """
    if name not in labels:
        there = f"it draws: {', '.join(labels)}" if labels else "it draws without labels"
        raise RunError(f"the generator knows no label {name!r}; {there}")
    return labels.index(name)

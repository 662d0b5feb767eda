"""Draws batches of prepared images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer.config import ConfigError
from trainer.data.dataset import UNLABELLED, Dataset

SHARE_OF_GPU_MEMORY = 0.25
"""A set moves to the GPU when it takes at most this share of the free memory there."""


class Sampler:
    """Draws batches for ever; its position can be saved and restored.

    With `balance` 0 every image is shown once before any is shown again; otherwise images are drawn with
    replacement, a label of n images in proportion to n^(1 - balance). Unlabelled images keep their share.

    In a run of several processes each gets its slice of a batch that all draw alike, so the slices together
    are the batch that one process alone would draw.
    """

    def __init__(
        self,
        data: Dataset,
        batch_size: int,
        *,
        balance: float,
        flip: bool,
        seed: int,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Starts at the first batch.

        Args:
            data: images to draw.
            batch_size: images a step, of all processes together.
            balance: 0 (as the data is) to 1 (all labels alike).
            flip: mirror half of the images left to right.
            seed: of order and mirroring.
            device: where batches are wanted.
            rank: number of this process.
            world: number of processes.

        Raises:
            ConfigError: the batch cannot be divided among the processes.
        """
        if batch_size % world:
            raise ConfigError(f"batch_size is {batch_size}; it must be a multiple of the {world} processes")
        self._device = torch.device(device)
        self._images = torch.from_numpy(data.images)
        self._labels = torch.from_numpy(data.labels)
        if self._device.type == "cuda" and _fits(data.images.nbytes, self._device):
            self._images, self._labels = self._images.to(self._device), self._labels.to(self._device)
        self._batch_size, self._flip = batch_size, flip
        share = batch_size // world
        self._own = slice(rank * share, (rank + 1) * share)
        self._weights = _weights(data.labels, balance) if balance > 0 else None
        self._rng = torch.Generator().manual_seed(seed)
        self._order: Tensor = torch.empty(0, dtype=torch.int64)
        self._position: int = 0

    def next(self) -> tuple[Tensor, Tensor]:
        """Returns this process's part of a batch, on the device.

        Images are float32 [B / world, C, S, S], channels last, in -1..1; labels int64 [B / world], -1 where
        there is none.
        """
        while self._position + self._batch_size > len(self._order):
            self._order = torch.cat([self._order[self._position :], self._draw()])
            self._position = 0
        chosen = self._order[self._position : self._position + self._batch_size][self._own]
        self._position += self._batch_size
        images, labels = self._gather(chosen)
        if self._flip:
            mirrored = (torch.rand(self._batch_size, generator=self._rng) < 0.5)[self._own]
            images = _mirror(images, mirrored)
        # In this order: reordering bytes is twice as slow as reordering floats.
        images = images.float().contiguous(memory_format=torch.channels_last)
        return images.div_(127.5).sub_(1), labels

    def _gather(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Returns images uint8 and labels on the device; only what is not there yet is copied."""
        device = self._device
        chosen = chosen.to(self._images.device, non_blocking=True)
        images, labels = self._images.index_select(0, chosen), self._labels.index_select(0, chosen)
        if device.type == "cuda" and images.device.type == "cpu":
            images, labels = images.pin_memory(), labels.pin_memory()  # lets the copy run beside the GPU
        return images.to(device, non_blocking=True), labels.to(device, non_blocking=True)

    def state(self) -> dict[str, Any]:
        """Returns the position, for `restore`; it is the same in all processes."""
        return {"order": self._order, "position": self._position, "rng": self._rng.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continues where `state` was taken."""
        self._order, self._position = state["order"], state["position"]
        self._rng.set_state(state["rng"])

    def _draw(self) -> Tensor:
        """Returns the positions of as many images as there are."""
        if self._weights is None:
            return torch.randperm(len(self._images), generator=self._rng)
        # By the inverse of the cumulative weights: torch.multinomial takes no more than 2^24 images.
        points = torch.rand(len(self._weights), dtype=torch.float64, generator=self._rng) * self._weights[-1]
        return torch.searchsorted(self._weights, points, right=True).clamp_(max=len(self._weights) - 1)


def _weights(labels: np.ndarray, balance: float) -> Tensor:
    """Returns cumulative weights float64 [N] of the images."""
    known = labels != UNLABELLED
    weights = np.ones(len(labels))
    if known.any():
        per_label = np.bincount(labels[known]).astype(np.float64)
        weights[known] = per_label[labels[known]] ** -balance
        weights[known] *= known.sum() / weights[known].sum()
    return torch.from_numpy(np.cumsum(weights))


def _mirror(images: Tensor, mirrored: Tensor) -> Tensor:
    """Returns images [N, C, S, S] with those that `mirrored`, bool [N], says turned left to right."""
    chosen = torch.arange(len(images)) + len(images) * mirrored
    # On a CPU ten times as fast as torch.where, which looks at every byte.
    return torch.cat([images, images.flip(3)]).index_select(0, chosen.to(images.device, non_blocking=True))


def _fits(size_bytes: int, device: torch.device) -> bool:
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return size_bytes <= SHARE_OF_GPU_MEMORY * free_bytes

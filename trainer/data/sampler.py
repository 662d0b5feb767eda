"""Draws batches of prepared images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainer.data.dataset import Dataset


class Sampler:
    """Draws batches for ever; its position can be saved and restored.

    With `balance` 0 each epoch shows every image once, in a new order; otherwise images are drawn with
    replacement, a label of n images in proportion to n^(1 - balance).
    """

    def __init__(self, data: Dataset, batch_size: int, *, balance: float, flip: bool, seed: int) -> None:
        self._images = torch.from_numpy(data.images)
        self._labels = torch.from_numpy(data.labels)
        self._batch_size, self._flip = batch_size, flip
        per_label = torch.from_numpy(np.bincount(data.labels)).double()
        self._weights = per_label[self._labels].pow(-balance)
        self._replacement = balance > 0
        self._rng = torch.Generator().manual_seed(seed)
        self._order: Tensor = torch.empty(0, dtype=torch.int64)
        self._position = 0

    def next(self) -> tuple[Tensor, Tensor]:
        """Returns images float32 [B, C, S, S] in -1..1 and labels int64 [B]."""
        if self._position + self._batch_size > len(self._order):
            n = max(len(self._weights), self._batch_size)
            replacement = self._replacement or n > len(self._weights)
            self._order = torch.multinomial(self._weights, n, replacement, generator=self._rng)
            self._position = 0
        chosen = self._order[self._position : self._position + self._batch_size]
        self._position += self._batch_size
        images = self._images[chosen].float().div_(127.5).sub_(1)
        if self._flip:
            mirrored = torch.rand(len(chosen), 1, 1, 1, generator=self._rng) < 0.5
            images = torch.where(mirrored, images.flip(3), images)
        return images, self._labels[chosen]

    def state(self) -> dict[str, Tensor | int]:
        """Returns the position, for `restore`."""
        return {"order": self._order, "position": self._position, "rng": self._rng.get_state()}

    def restore(self, state: dict[str, Tensor | int]) -> None:
        """Continues where `state` was taken."""
        self._order, self._position = state["order"], state["position"]  # type: ignore[assignment]
        self._rng.set_state(state["rng"])  # type: ignore[arg-type]

"""The processes that train one run together."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor


class Group:
    """One process alone: rank 0 of 1.

    Every rank draws the same random numbers for the whole batch and keeps its own rows, so that several
    ranks do what one would, up to the order of summation.

    Attributes:
        rank: this process's number, from 0.
        world: number of processes.
    """

    rank: int = 0
    world: int = 1

    def slice(self, tensor: Tensor) -> Tensor:
        """Returns this rank's rows of a tensor that was drawn for the whole batch."""
        rows = len(tensor) // self.world
        return tensor[self.rank * rows : (self.rank + 1) * rows]

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replaces each parameter's gradient by its mean over the ranks."""

    def mean(self, tensor: Tensor) -> Tensor:
        """Returns the mean of `tensor` over the ranks, without gradient."""
        return tensor

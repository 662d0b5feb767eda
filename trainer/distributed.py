"""The processes that train one run together, as `torchrun` starts them.

Every rank draws the same random numbers for the whole batch and keeps its own rows; gradients and batch
statistics are averaged. So several ranks do what one would, up to the order of summation.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainer.errors import TrainerError


class DeviceError(TrainerError):
    """The device that was asked for is not there, or lacks what shall be done with it."""


class PeerError(TrainerError):
    """Another process of the run failed, and it said why."""


class Group:
    """All processes of a run. Every rank must call the methods that talk to the others, in the same order.

    Attributes:
        rank: this process's number, from 0; rank 0 alone writes files and speaks to the user.
        world: number of processes.
    """

    def __init__(self, rank: int = 0, world: int = 1) -> None:
        self.rank, self.world = rank, world

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks to the user."""
        return self.rank == 0

    def slice(self, tensor: Tensor) -> Tensor:
        """Returns this rank's rows of a tensor that was drawn for the whole batch."""
        rows = len(tensor) // self.world
        return tensor[self.rank * rows : (self.rank + 1) * rows]

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replaces each parameter's gradient by its mean over the ranks, in one message."""
        if self.world == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = self.mean(torch.cat([g.flatten() for g in gradients]))
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view(gradient.shape))

    def mean(self, tensor: Tensor) -> Tensor:
        """Returns the mean of `tensor` over the ranks, without gradient."""
        return self.sum(tensor.detach()) / self.world if self.world > 1 else tensor

    def sum(self, tensor: Tensor) -> Tensor:
        """Returns the sum of `tensor` over the ranks; its gradient is the sum of all ranks' gradients."""
        return _SumOverRanks.apply(tensor) if self.world > 1 else tensor  # type: ignore[return-value]

    def largest(self, *values: float) -> list[float]:
        """Returns the largest of each value over the ranks."""
        if self.world == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)  # on the CPU: no device has to be waited for
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return tensor.tolist()

    def on_first(self, action: Callable[..., object], *args: Any) -> None:
        """Calls `action` on rank 0 while the others wait; if it raises there, every rank raises.

        Raises:
            PeerError: on the other ranks.
        """
        error: Exception | None = None
        if self.is_first:
            try:
                action(*args)
            except Exception as caught:  # noqa: BLE001 - raised again below, after the others were told
                error = caught
        (failed,) = self.largest(error is not None)
        if error is not None:
            raise error
        if failed:
            raise PeerError("process 0 failed; its message says why")


class _SumOverRanks(torch.autograd.Function):
    """An all-reduce whose gradient, of any order, is an all-reduce again."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:  # noqa: ARG004 - autograd's signature
        result = tensor.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # noqa: ARG004
        return _SumOverRanks.apply(gradients[0])


class _SharedBatchNorm(_BatchNorm):
    """Batch norm over the rows of all ranks; PyTorch's own does so on GPUs only."""

    def __init__(self, norm: _BatchNorm, group: Group) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        for name, value in (*norm._parameters.items(), *norm._buffers.items()):
            setattr(self, name, value)
        self.affine, self._group = norm.affine, group

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - PyTorch's signature
        pass

    @torch.compiler.disable  # it talks to the other processes
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 # pyright: ignore[reportIncompatibleMethodOverride]
        """Returns x, [N, C, ...], normalised."""
        if not self.training:
            return super().forward(input)
        x, world = input.float(), self._group.world
        axes = [axis for axis in range(x.ndim) if axis != 1]
        # Each rank fills its own row, so that one sum brings all means and variances together.
        rows = [torch.zeros(2, x.shape[1], device=x.device)] * world
        rows[self._group.rank] = torch.stack([x.mean(axes), x.var(axes, correction=0)])
        means, variances = self._group.sum(torch.stack(rows)).unbind(1)  # [world, C] each
        mean = means.mean(0)
        variance = variances.mean(0) + means.var(0, correction=0)
        self._track(mean.detach(), variance.detach(), x.numel() // x.shape[1] * world)
        shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
        x = (x - mean.view(shape)) * (variance.view(shape) + self.eps).rsqrt()
        if self.affine:
            x = x * self.weight.view(shape) + self.bias.view(shape)
        return x.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, n: int) -> None:
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            return
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * n / max(n - 1, 1), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


def share_batch_norm(network: nn.Module, group: Group) -> None:
    """Lets every batch norm of `network` work over the rows of all ranks; parameters and names stay."""
    if group.world == 1:
        return
    for name, child in network.named_children():
        if isinstance(child, _BatchNorm):
            setattr(network, name, _SharedBatchNorm(child, group))
        else:
            share_batch_norm(child, group)


def pick_device(wanted: str) -> torch.device:
    """Returns the device that `wanted` ("auto", "cpu" or "cuda") means for this process.

    Raises:
        DeviceError: "cuda" was asked for and there is none, or fewer than processes on this machine.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise DeviceError("device is 'cuda', but PyTorch finds no CUDA device; use auto or cpu")
    index, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if index >= count:
        raise DeviceError(
            f"process {index} of this machine has no GPU: there are {count}; start as many processes as GPUs"
        )
    return torch.device("cuda", index)


def require_compiler(device: torch.device) -> None:
    """Checks that torch.compile can work: it writes C++ for the CPU, and Triton's kernels and C for a GPU.

    Raises:
        DeviceError: there is no compiler, or no Triton.
    """
    if device.type == "cuda":
        if not find_spec("triton"):
            raise DeviceError("compile needs the package triton, which is not installed; leave compile out")
        compilers = [os.environ["CC"]] if "CC" in os.environ else ["gcc", "clang"]
    else:
        compilers = [os.environ.get("CXX", "g++")]
    if not any(shutil.which(name) for name in compilers):
        wanted = " or ".join(compilers)
        raise DeviceError(
            f"compile needs a compiler, and there is no {wanted}: install one, or leave compile out"
        )


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """Gives the group of processes that torchrun started, or a group of one; leaves it at the end."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Group()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # The others wait while rank 0 reads the data; torchrun ends them if it dies.
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=dt.timedelta(hours=12)
    )
    try:
        yield Group(dist.get_rank(), world)
    finally:
        dist.destroy_process_group()

"""The averaged generator, which draws better than the one that is trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class Average(AveragedModel):
    """Exponential moving average of a network's weights and batch statistics (Yaz et al. 2019, 1806.04498).

    The n-th update's decay is (1 + n) / (10 + n) until that exceeds the one asked for: an average that began
    with the full decay would draw the grey pictures of the first weights for a thousand steps. PyTorch's own
    update, moreover, waits for a GPU each time.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Starts as a copy of `network`, to approach it by a share of 1 - `decay` an update."""
        super().__init__(network)
        self.requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Takes the weights of `model` into the average."""
        n = int(self.n_averaged)  # on the CPU
        share = 1 - min(self._decay, (1 + n) / (10 + n))
        averaged = [*self.module.parameters(), *self.module.buffers()]
        numbers: tuple[list[Tensor], list[Tensor]] = ([], [])
        for mean, value in zip(averaged, [*model.parameters(), *model.buffers()], strict=True):
            if mean.is_floating_point():
                numbers[0].append(mean)
                numbers[1].append(value)
            else:
                mean.copy_(value)
        torch._foreach_lerp_(*numbers, share)  # pyright: ignore[reportPrivateImportUsage]
        self.n_averaged += 1

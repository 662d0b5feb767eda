"""How long a run goes on: by epochs, by minutes, or until the earlier of both."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainer.config import Config


@dataclass(frozen=True)
class Budget:
    """The end of a run."""

    total_steps: int | None
    """Step of the end; None if only the time counts."""
    seconds: float | None
    """Training time of the end, resumptions counted together; None if only the steps count."""

    @classmethod
    def of(cls, config: Config, steps_per_epoch: int) -> Budget:
        """Returns the budget that the settings mean."""
        steps = max(math.ceil(config.epochs * steps_per_epoch), 1) if config.epochs else None
        return cls(steps, config.minutes * 60 or None)

    def share(self, step: int, elapsed_s: float) -> float:
        """Returns the share that is spent, 0..1: of the steps or of the time, whichever is further."""
        steps = step / self.total_steps if self.total_steps else 0.0
        time = elapsed_s / self.seconds if self.seconds else 0.0
        return min(max(steps, time), 1.0)

    def seconds_left(self, step: int, elapsed_s: float, s_per_step: float) -> float:
        """Returns an estimate of the time to the end."""
        steps = (self.total_steps - step) * s_per_step if self.total_steps else math.inf
        time = self.seconds - elapsed_s if self.seconds else math.inf
        return max(min(steps, time), 0.0)

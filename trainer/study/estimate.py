"""How long the runs of a study will take, from a few steps of each kind."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.budget import Budget
from trainer.config import Config
from trainer.data.dataset import Dataset
from trainer.loop import Trainer
from trainer.study.plan import RunPlan


@dataclass(frozen=True)
class Estimate:
    """How long a run will take."""

    plan: RunPlan
    """The run."""
    images: int
    """Images it is trained on."""
    s_per_step: float
    """Time of a step."""

    @property
    def duration_s(self) -> float:
        """Training time."""
        steps_per_epoch = max(self.images // self.plan.config.batch_size, 1)
        return Budget.of(self.plan.config, steps_per_epoch).seconds_left(0, 0.0, self.s_per_step)


def seconds_per_step(config: Config, labels: tuple[str, ...], measure_s: float = 3.0) -> float:
    """Returns the time of a training step, measured on random images; grids and checkpoints come on top.

    Whole cycles of the penalty are measured, after the first step, for about `measure_s` seconds.
    """
    count = 2 * config.batch_size * config.discriminator_steps
    shape = (count, config.channels, config.image_size_px, config.image_size_px)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    data = Dataset(images, np.arange(count) % len(labels), labels)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(dataclasses.replace(config, tensorboard=False), data, Path(folder))
        trainer.train_step().d_loss.item()
        steps, start = 0, time.perf_counter()
        while time.perf_counter() - start < measure_s:
            for _ in range(config.penalty_every_steps - 1):
                trainer.train_step()
            trainer.train_step().d_loss.item()  # waits for the device
            steps += config.penalty_every_steps
        return (time.perf_counter() - start) / steps

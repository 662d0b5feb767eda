"""The training loop: one discriminator step, one generator step, an average of the generator."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.utils import make_grid, save_image

from trainer import checkpoint
from trainer.config import Config
from trainer.data.dataset import Dataset
from trainer.data.sampler import Sampler
from trainer.distributed import Group
from trainer.errors import TrainerError
from trainer.models.base import Generator
from trainer.update import StepResult, Update

LOG_EVERY_STEPS = 50
GRID_COLUMNS, GRID_ROWS_UNCONDITIONAL = 9, 6


class DivergedError(TrainerError):
    """A loss or a weight is no longer a finite number; the last checkpoint is from before."""


@dataclass(frozen=True)
class Progress:
    """What the loop reports at every logged step."""

    step: int
    total_steps: int
    epoch: float
    d_loss: float
    g_loss: float
    images_per_s: float


def pick_device(wanted: str) -> torch.device:
    """Returns the device that `wanted` ("auto", "cpu" or "cuda") means on this machine.

    Raises:
        RunError: "cuda" was asked for and there is none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise checkpoint.RunError("device is 'cuda', but PyTorch finds no CUDA device; use auto or cpu")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


class Trainer:
    """One run: its update, average, sampler and the numbers that continue it bit for bit."""

    def __init__(self, config: Config, data: Dataset, run: Path) -> None:
        torch.set_num_threads(config.threads)
        self.config, self.data, self.run = config, data, run
        self.device = pick_device(config.device)
        self.update = Update(config, len(data.label_names), self.device, Group())
        self.average = AveragedModel(
            self.update.generator, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay)
        ).requires_grad_(False)
        self.sampler = Sampler(
            data, config.batch_size, balance=config.balance, flip=config.flip, seed=config.seed
        )
        self.rng = torch.Generator().manual_seed(config.seed + 1)
        self.step = 0
        self.duration_s = 0.0
        self.stopping = False
        self.steps_per_epoch = max(len(data.images) // config.batch_size, 1)
        self.total_steps = max(math.ceil(config.epochs * self.steps_per_epoch), 1)
        self._fixed_z, self._fixed_label = self._fixed_inputs()

    def _fixed_inputs(self) -> tuple[Tensor, Tensor]:
        """Returns the grid's z and labels: a row a label; the same in every grid of the run."""
        n_labels = self.update.generator.n_labels
        rows = n_labels if n_labels > 1 else GRID_ROWS_UNCONDITIONAL
        rng = torch.Generator().manual_seed(self.config.seed)
        z = torch.randn(rows * GRID_COLUMNS, self.config.z_dim, generator=rng)
        label = torch.arange(rows).repeat_interleave(GRID_COLUMNS) % max(n_labels, 1)
        return z, label

    # -- state ---------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Returns all that a continuation needs."""
        return {
            "step": self.step,
            "duration_s": self.duration_s,
            "label_names": list(self.data.label_names),
            "data_sha256": self.data.sha256(),
            "update": self.update.state(),
            "average": self.average.state_dict(),
            "sampler": self.sampler.state(),
            "rng": self.rng.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from what `state` returned.

        Raises:
            RunError: the state belongs to other data.
        """
        if state["data_sha256"] != self.data.sha256():
            raise checkpoint.RunError(
                "the run was started on other images or labels: resume with the same data and selection"
            )
        self.step, self.duration_s = state["step"], state["duration_s"]
        self.update.restore(state["update"])
        self.average.load_state_dict(state["average"])
        self.sampler.restore(state["sampler"])
        self.rng.set_state(state["rng"])

    def save(self) -> None:
        """Writes the checkpoint."""
        checkpoint.save(self.run / "checkpoint.pt", self.state())

    def environment(self) -> dict[str, Any]:
        """Returns what computes this run: device and versions."""
        if self.device.type == "cuda":
            device = f"cuda ({torch.cuda.get_device_name()})"
        else:
            device = f"cpu ({self.config.threads} thread{'s' if self.config.threads > 1 else ''})"
        return {"device": device, "versions": {name: version(name) for name in ("ganpress", "torch")}}

    # -- training ------------------------------------------------------------------------------

    def train(self, report: Callable[[Progress], None] = lambda _: None) -> None:
        """Trains to the configured end, or until `stop` is called; every checkpoint allows to continue.

        Raises:
            DivergedError: a loss or a weight became infinite or not a number; it was not saved.
        """
        log = checkpoint.MetricsLog(self.run / "metrics.jsonl", self.step)
        (self.run / "samples").mkdir(exist_ok=True)
        sample_every_steps = max(round(self.config.sample_every_epochs * self.steps_per_epoch), 1)
        last_step, last_time = self.step, time.perf_counter()
        last = self.step >= self.total_steps
        while not last:
            result = self.train_step()
            # Read once: a signal may come at any line, and the last step has to be saved.
            last = self.stopping or self.step >= self.total_steps
            logged = last or self.step % LOG_EVERY_STEPS == 0
            saved = last or self.step % self.config.checkpoint_every_steps == 0
            if logged or saved:
                losses_now = result.d_loss.item(), result.g_loss.item()
                if not (all(map(math.isfinite, losses_now)) and (not saved or self._has_finite_weights())):
                    raise DivergedError(
                        f"training diverged at step {self.step} (discriminator loss {losses_now[0]}, "
                        f"generator loss {losses_now[1]}); {self.run / 'checkpoint.pt'} is from before. "
                        "Lower the learning rate or raise penalty_gamma."
                    )
                now = time.perf_counter()
                self.duration_s += now - last_time
                images_per_s = (self.step - last_step) * self.config.batch_size / (now - last_time)
                last_step, last_time = self.step, now
                progress = Progress(
                    self.step, self.total_steps, self.step / self.steps_per_epoch, *losses_now, images_per_s
                )
                report(progress)
                if logged:
                    log.append(
                        {
                            "step": self.step, "epoch": round(progress.epoch, 4), "d_loss": losses_now[0],
                            "g_loss": losses_now[1], "images_per_s": round(images_per_s, 1),
                            "augment_p": round(self.update.augmentation.p, 4),
                            "lead": round(self.update.augmentation.lead, 4),
                        }
                    )  # fmt: skip
            if last or self.step % sample_every_steps == 0:
                self.save_grid()
            if saved:
                self.save()

    def stop(self) -> None:
        """Lets `train` end after the step that is under way, with a checkpoint; safe in a signal handler."""
        self.stopping = True

    def _has_finite_weights(self) -> bool:
        """Says whether the weights can go on; a step's losses are from before its update."""
        networks = (self.update.generator, self.update.discriminator)
        return all(bool(w.isfinite().all()) for network in networks for w in network.parameters())

    def train_step(self) -> StepResult:
        """Does one step of both networks and of the average."""
        result = self.update.step(self._next_batch, self.rng, self.step / self.total_steps)
        self.average.update_parameters(self.update.generator)
        self.step += 1
        return result

    def _next_batch(self) -> tuple[Tensor, Tensor]:
        images, label = self.sampler.next()
        return images.to(self.device, memory_format=torch.channels_last), label.to(self.device)

    # -- samples -------------------------------------------------------------------------------

    def averaged_generator(self) -> Generator:
        """Returns the averaged generator in evaluation mode."""
        return cast("Generator", self.average.module).eval()

    @torch.no_grad()
    def save_grid(self) -> None:
        """Writes samples at the run's fixed noise, a row a label, to samples/epoch-*.png."""
        images = self.averaged_generator()(self._fixed_z.to(self.device), self._fixed_label.to(self.device))
        grid = make_grid(images.cpu(), nrow=GRID_COLUMNS, normalize=True, value_range=(-1, 1), padding=2)
        save_image(grid, self.run / "samples" / f"epoch-{self.step / self.steps_per_epoch:06.1f}.png")


def start(config: Config, data: Dataset, run: Path, data_record: dict[str, Any]) -> Trainer:
    """Returns the trainer of a new run in the folder `run`, which is made.

    Args:
        config: settings.
        data: images to train on.
        run: folder of the run.
        data_record: what data.json says of the images, for the model card.

    Raises:
        RunError: the folder already holds a run.
    """
    if (run / "config.json").exists():
        raise checkpoint.RunError(
            f"{run} already holds a run; add --resume to continue it, or choose another folder"
        )
    run.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config, data, run)
    for name, record in (("data", data_record), ("environment", trainer.environment())):
        checkpoint.write_atomically(run / f"{name}.json", json.dumps(record, indent=2).encode())
    checkpoint.write_atomically(run / "config.json", config.to_json().encode())
    return trainer


def resume(data: Dataset, run: Path) -> Trainer:
    """Returns the trainer of the run in the folder `run`, at its checkpoint.

    Raises:
        RunError: there is no run or checkpoint, it is damaged, or it belongs to other data.
    """
    config = load_config(run)
    trainer = Trainer(config, data, run)
    trainer.restore(checkpoint.load(run / "checkpoint.pt"))
    return trainer


def load_config(run: Path) -> Config:
    """Returns the settings of the run in the folder `run`.

    Raises:
        RunError: there is no run.
    """
    file = run / "config.json"
    if not file.is_file():
        raise checkpoint.RunError(f"{run} holds no run: there is no config.json in it")
    return Config.from_json(file.read_text())

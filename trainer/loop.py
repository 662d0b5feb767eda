"""The training loop: steps until the budget is spent, and what is recorded and saved in between."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from trainer.average import Average
from trainer.budget import Budget
from trainer.checkpoint import RunError
from trainer.config import Config, ConfigError
from trainer.data.dataset import Dataset
from trainer.data.sampler import Sampler
from trainer.distributed import Group, pick_device, share_batch_norm
from trainer.errors import TrainerError
from trainer.memory import keep_freed_memory
from trainer.meter import Meter, Stopwatch
from trainer.models.base import Generator
from trainer.recorder import Recorder
from trainer.update import StepResult, Update

LOG_EVERY_STEPS = 50


class DivergedError(TrainerError):
    """A loss or a weight is no longer a finite number; the last checkpoint is from before."""


class CollapsedError(TrainerError):
    """The generator draws nearly one picture; the checkpoint from before is kept."""


@dataclass(frozen=True)
class Progress:
    """What the loop reports at every logged step."""

    step: int
    """Steps done."""
    total_steps: int | None
    """Step of the end; None if only the time counts."""
    share: float
    """Share of the budget that is spent, 0..1."""
    seconds_left: float
    """Estimate of the time to the end."""
    epoch: float
    """Passes over the data."""
    d_loss: float
    """The discriminator's loss, mean since the last report."""
    g_loss: float
    """The generator's loss, likewise."""
    images_per_s: float
    """Speed since the last report, with all that is done beside training."""


@dataclass(frozen=True)
class Watcher:
    """Whom the loop tells what happens; called on rank 0 alone."""

    tick: Callable[[int, float], None] = lambda _step, _share: None
    """Takes the steps done and the share of the budget that is spent, after each step."""
    report: Callable[[Progress], None] = lambda _: None
    """Takes the progress at every logged step."""
    warn: Callable[[str], None] = lambda _: None
    """Takes a sentence that the user should read."""


class Trainer:
    """One run: its update, average, sampler and the numbers that continue it bit for bit.

    Attributes:
        step: steps done.
        share: share of the budget that is spent, 0..1; learning rate and penalty follow it.
        stopped: whether `stop` ended the training before its budget was spent.
    """

    def __init__(self, config: Config, data: Dataset, run: Path, group: Group | None = None) -> None:
        """Builds everything, on the device and for the processes of `group` (None: this one alone).

        Raises:
            ConfigError: a batch holds more images than there are, or does not suit labels, device or group.
        """
        images = len(data.images)
        if config.batch_size > images:
            raise ConfigError(
                f"batch_size is {config.batch_size}, but there are only {images} images to train on; it must "
                "be at most their number"
            )
        torch.set_num_threads(config.threads)
        keep_freed_memory()
        self.config, self.data, self.run, self.group = config, data, run, group or Group()
        self.device = pick_device(config.device)
        if self.device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
            torch.backends.cudnn.benchmark = True  # every batch has the same shape
        self.update = Update(config, len(data.label_names), self.device, self.group)
        self.average = Average(self.update.generator, config.ema_decay)
        for network in (self.update.generator, self.update.discriminator):
            share_batch_norm(network, self.group)
        self.sampler = Sampler(
            data, config.batch_size, balance=config.balance, flip=config.flip, seed=config.seed,
            device=self.device, rank=self.group.rank, world=self.group.world,
        )  # fmt: skip
        self.rng = torch.Generator().manual_seed(config.seed + 1)
        self.recorder = Recorder(run, config, data, self.averaged_generator())
        self.step = 0
        self.share = 0.0
        self.stopped = False
        self._stopping = False
        self.steps_per_epoch = images // config.batch_size
        self.budget = Budget.of(config, self.steps_per_epoch)
        self._meter = Meter(self.group)
        self._watch = Stopwatch()

    def averaged_generator(self) -> Generator:
        """Returns the averaged generator in evaluation mode."""
        return cast("Generator", self.average.module).eval()

    @property
    def duration_s(self) -> float:
        """Seconds of training, those before a resumption included."""
        return self._watch.elapsed_s

    @property
    def time_shares(self) -> tuple[float, float]:
        """Shares of this session's time that went into loading data, and into all beside the steps."""
        return self._watch.shares

    # -- state ---------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Returns all that a continuation needs; every rank has to call it."""
        return {
            "step": self.step,
            "share": self.share,
            "duration_s": self.duration_s,
            "label_names": list(self.data.label_names),
            "data_sha256": self.data.sha256(),
            "update": self.update.state(),
            "average": self.average.state_dict(),
            "sampler": self.sampler.state(),
            "rng": self.rng.get_state(),
            "monitor": self.recorder.monitor.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from what `state` returned.

        Raises:
            RunError: the state belongs to other data, or to networks of another version of this program.
        """
        if state["data_sha256"] != self.data.sha256():
            raise RunError(
                "the run was started on other images or labels: resume with the same data and selection"
            )
        try:
            self.update.restore(state["update"])
            self.average.load_state_dict(state["average"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise RunError(
                f"the checkpoint of {self.run} does not fit its networks: it is of another GanPress"
            ) from error
        self.step, self.share = state["step"], state["share"]
        self.sampler.restore(state["sampler"])
        self.rng.set_state(state["rng"])
        self.recorder.monitor.restore(state["monitor"])
        self._watch = Stopwatch(state["duration_s"])

    # -- training ------------------------------------------------------------------------------

    def train(self, watcher: Watcher | None = None) -> None:
        """Trains until the budget is spent or `stop` is called; every checkpoint allows to continue.

        Raises:
            DivergedError: a loss or a weight became infinite or not a number; it was not saved.
            CollapsedError: the samples collapsed, and the settings say that the run ends then.
            RunError: something could not be written; the newest checkpoint is sound.
        """
        self.group.on_first(self.recorder.open, self.step)
        self._watch.start()
        try:
            self._train(watcher or Watcher())
        except BaseException as error:
            with suppress(OSError):  # a full disk would hide what happened first
                self.recorder.close()
            if isinstance(error, OSError):
                reason = error.strerror or error
                raise RunError(f"{self.run} cannot be written: {reason}; its checkpoint is whole") from error
            raise
        finally:
            self._watch.stop()
        self.group.on_first(self.recorder.close)

    def stop(self) -> None:
        """Lets `train` end after the step that is under way, with a checkpoint; safe in a signal handler."""
        self._stopping = True

    def _train(self, watcher: Watcher) -> None:
        looks_every_steps = max(round(self.config.sample_every_epochs * self.steps_per_epoch), 1)
        first_step, started_s = self.step, self.duration_s
        last_row_step = self.step
        self.share = self.budget.share(self.step, started_s)
        last = self.share >= 1
        while not last:
            with self._watch.step():
                self._meter.add(self.train_step())
            share = self.budget.share(self.step, self.duration_s)
            # Asked once: a signal may come at any line, and all ranks have to end at the same step.
            stopping, self.share = self.group.largest(self._stopping, share)
            self.stopped = bool(stopping) and self.share < 1
            last = self.stopped or self.share >= 1
            watcher.tick(self.step, self.share)
            looks = last or self.step % looks_every_steps == 0
            saves = last or self.step % self.config.checkpoint_every_steps == 0
            if not (looks or saves or self.step % LOG_EVERY_STEPS == 0):
                continue
            with self._watch.step():  # reading waits for the device
                means = self._meter.read()
            self._require_finite(means, weights=saves)
            s_per_step = (self.duration_s - started_s) / (self.step - first_step)
            state = self.state() if saves else None
            self.group.on_first(
                self._record, means, self.step - last_row_step, s_per_step, looks, state, watcher
            )
            last_row_step = self.step

    def train_step(self) -> StepResult:
        """Does one step of both networks and of the average."""
        result = self.update.step(self._next_batch, self.rng, self.share)
        self.average.update_parameters(self.update.generator)
        self.step += 1
        return result

    def _next_batch(self) -> tuple[Tensor, Tensor]:
        with self._watch.data():
            return self.sampler.next()

    def _require_finite(self, means: dict[str, float], *, weights: bool) -> None:
        """Raises DivergedError unless all is finite; a step's losses are from before its update."""
        finite = all(map(math.isfinite, means.values()))
        if finite and weights:
            networks = (self.update.generator, self.update.discriminator)
            checks = [w.isfinite().all() for network in networks for w in network.parameters()]
            finite = bool(torch.stack(checks).all())
        if not finite:
            numbers = ", ".join(f"{name} {value:.3g}" for name, value in means.items())
            newest = self.run / "checkpoint.pt"
            kept = f"{newest} is from before" if newest.exists() else "there is no checkpoint yet"
            raise DivergedError(
                f"training diverged at step {self.step} ({numbers}); {kept}. "
                "Lower the learning rate or raise penalty_gamma."
            )

    def _record(
        self, means: dict[str, float], steps: int, s_per_step: float, looks: bool,
        state: dict[str, Any] | None, watcher: Watcher,
    ) -> None:  # fmt: skip
        """Reports, logs, looks at samples and saves `state`; on rank 0, `steps` after the last time."""
        seconds, data_share, other_share = self._watch.lap()
        images_per_s = steps * self.config.batch_size / seconds
        epoch, lead = self.step / self.steps_per_epoch, self.update.augmentation.lead
        left_s = self.budget.seconds_left(self.step, self.duration_s, s_per_step)
        progress = Progress(
            self.step, self.budget.total_steps, self.share, left_s, epoch,
            means["d_loss"], means["g_loss"], images_per_s,
        )  # fmt: skip
        watcher.report(progress)
        row = {"step": self.step, "epoch": epoch, "share": self.share, "elapsed_s": self.duration_s}
        row |= means
        row |= {
            "learning_rate": self.update.g_optimizer.param_groups[0]["lr"],
            "augment_p": self.update.augmentation.p, "lead": lead,
            "images_per_s": images_per_s, "data_share": data_share, "other_share": other_share,
        }  # fmt: skip
        warning = None
        if looks:
            diversity, warning = self.recorder.look(self.step, epoch, lead)
            row |= diversity
        self.recorder.add_row(row)
        if warning and self.config.stop_on_collapse:
            raise CollapsedError(f"stopped at step {self.step}: {warning}")
        if warning:
            watcher.warn(f"step {self.step}: {warning}")
        if state:
            self.recorder.save(state | {"monitor": self.recorder.monitor.state()})

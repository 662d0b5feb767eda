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
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.utils import make_grid, save_image

from trainer import checkpoint, losses
from trainer.augment import AdaptiveProbability, augment
from trainer.config import Config
from trainer.data.dataset import Dataset
from trainer.data.sampler import Sampler
from trainer.errors import TrainerError
from trainer.models import build
from trainer.models.base import Generator

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
    """One run: networks, optimisers, sampler and the numbers that continue it bit for bit."""

    def __init__(self, config: Config, data: Dataset, run: Path) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.data, self.run = config, data, run
        self.device = pick_device(config.device)
        generator, discriminator = build(config, len(data.label_names))
        self.generator, self.discriminator = generator.to(self.device), discriminator.to(self.device)
        for network in (self.generator, self.discriminator):
            network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.average = AveragedModel(
            self.generator, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay)
        ).requires_grad_(False)
        self.g_optimizer = self._adam(self.generator)
        self.d_optimizer = self._adam(self.discriminator)
        self.sampler = Sampler(
            data, config.batch_size, balance=config.balance, flip=config.flip, seed=config.seed
        )
        self.augmentation = AdaptiveProbability(config.augment_max_p)
        self.rng = torch.Generator().manual_seed(config.seed + 1)
        self.step = 0
        self.duration_s = 0.0
        self.stopping = False
        self.steps_per_epoch = max(len(data.images) // config.batch_size, 1)
        self.total_steps = max(math.ceil(config.epochs * self.steps_per_epoch), 1)
        self._fixed_z, self._fixed_label = self._fixed_inputs()

    def _adam(self, network: nn.Module) -> torch.optim.Adam:
        c = self.config
        return torch.optim.Adam(network.parameters(), c.learning_rate, (c.beta1, c.beta2))

    def _fixed_inputs(self) -> tuple[Tensor, Tensor]:
        """Returns the grid's z and labels: a row a label; the same in every grid of the run."""
        n_labels = self.generator.n_labels
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
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "average": self.average.state_dict(),
            "g_optimizer": self.g_optimizer.state_dict(),
            "d_optimizer": self.d_optimizer.state_dict(),
            "sampler": self.sampler.state(),
            "rng": self.rng.get_state(),
            "augmentation": {"p": self.augmentation.p, "lead": self.augmentation.lead},
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
        for name in ("generator", "discriminator", "average", "g_optimizer", "d_optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.sampler.restore(state["sampler"])
        self.rng.set_state(state["rng"])
        self.augmentation.p = state["augmentation"]["p"]
        self.augmentation.lead = state["augmentation"]["lead"]

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
            d_loss, g_loss = self.train_step()
            # Read once: a signal may come at any line, and the last step has to be saved.
            last = self.stopping or self.step >= self.total_steps
            logged = last or self.step % LOG_EVERY_STEPS == 0
            saved = last or self.step % self.config.checkpoint_every_steps == 0
            if logged or saved:
                losses_now = d_loss.item(), g_loss.item()
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
                            "augment_p": round(self.augmentation.p, 4),
                            "lead": round(self.augmentation.lead, 4),
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
        networks = (self.generator, self.discriminator)
        return all(bool(w.isfinite().all()) for network in networks for w in network.parameters())

    def train_step(self) -> tuple[Tensor, Tensor]:
        """Does one step of both networks; returns their losses."""
        c = self.config
        self._set_learning_rate()
        images, label = self.sampler.next()
        real = images.to(self.device, memory_format=torch.channels_last)
        label = label.to(self.device)
        z = torch.randn(len(real), c.z_dim, generator=self.rng).to(self.device)
        with self._autocast():
            fake = self.generator(z, label)
        d_loss, real_logit = self._discriminator_step(real, fake.detach().float(), label)
        g_loss = self._generator_step(fake.float(), label, real_logit)
        self.average.update_parameters(self.generator)
        self.step += 1
        return d_loss.detach(), g_loss.detach()

    def _discriminator_step(self, real: Tensor, fake: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Updates the discriminator; returns its adversarial loss and its logits of the real images."""
        c, d = self.config, self.discriminator
        p = self.augmentation.p
        real, fake = augment(real, p, self.rng), augment(fake, p, self.rng)
        with self._autocast():
            features = d.features(real)
            real_logit, fake_logit = d.logit(features, label), d(fake, label)
            scores = d.classify(features) if c.classifier_weight and d.classifies else None
        relativistic = c.loss == "relativistic"
        loss = (losses.d_relativistic if relativistic else losses.d_minimax)(
            real_logit.float(), fake_logit.float()
        )
        total = loss
        if scores is not None:
            total = total + c.classifier_weight * F.cross_entropy(scores.float(), label)
        if c.penalty_gamma and self.step % c.penalty_every_steps == 0:
            total = total + self._penalty(real, fake, label)
        if c.augment_max_p:
            self.augmentation.update(real_logit.detach(), fake_logit.detach())
        self.d_optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.d_optimizer.step()
        return loss, real_logit.detach().float()

    def _penalty(self, real: Tensor, fake: Tensor, label: Tensor) -> Tensor:
        """R1 + R2 in float32, as strong as the steps between make up for."""
        terms = []
        for images in (real, fake):
            inputs = images.detach().requires_grad_(True)
            terms.append(losses.gradient_penalty(self.discriminator(inputs, label), inputs))
        gamma = self._annealed(self.config.penalty_gamma, self.config.final_penalty_gamma)
        return self.config.penalty_every_steps * gamma / 2 * (terms[0] + terms[1])

    def _generator_step(self, fake: Tensor, label: Tensor, real_logit: Tensor) -> Tensor:
        """Updates the generator; returns its adversarial loss.

        The logits of the real images are those of the discriminator's step, one update old: computing
        them again costs a tenth of the step.
        """
        c, d = self.config, self.discriminator
        d.requires_grad_(False)  # saves the weights' gradients, which nobody would use
        with self._autocast():
            features = d.features(augment(fake, self.augmentation.p, self.rng))
            fake_logit = d.logit(features, label).float()
            if c.loss == "relativistic":
                loss = losses.g_relativistic(real_logit, fake_logit)
            else:
                loss = losses.g_non_saturating(fake_logit)
            total = loss
            if c.classifier_weight and d.classifies:
                total = total + c.classifier_weight * F.cross_entropy(d.classify(features).float(), label)
        self.g_optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.g_optimizer.step()
        d.requires_grad_(True)
        return loss

    def _autocast(self) -> torch.autocast:
        enabled = self.config.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    def _annealed(self, first: float, last: float) -> float:
        """Returns `first` over the first half of the run, then a cosine's value on the way to `last`."""
        late = max(self.step / self.total_steps - 0.5, 0.0) * 2
        return last + (first - last) * (1 + math.cos(math.pi * late)) / 2

    def _set_learning_rate(self) -> None:
        c = self.config
        rate = self._annealed(c.learning_rate, c.final_learning_rate)
        for optimizer in (self.g_optimizer, self.d_optimizer):
            optimizer.param_groups[0]["lr"] = rate

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

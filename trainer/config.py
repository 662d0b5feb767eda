"""Every knob of a training run, and the presets."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trainer.errors import TrainerError


class ConfigError(TrainerError):
    """A setting is unknown or out of range; the message names it and what is accepted."""


@dataclass(frozen=True)
class Config:
    """The settings of one run; saved with it as config.json and in the model card."""

    architecture: Literal["dcgan", "cgan"] = "cgan"
    """Networks: "dcgan" (unconditional) or "cgan"."""
    image_size_px: int = 64
    """Side of the images: 32, 64 or 128."""
    channels: int = 3
    """1 grey, 3 RGB."""
    z_dim: int = 100
    """Length of the latent vector."""
    generator_features: int = 32
    """Channels of the generator's last hidden layer; each one before it has twice as many."""
    discriminator_features: int = 32
    """Channels of the discriminator's first layer; each one after it has twice as many."""

    loss: Literal["relativistic", "minimax"] = "relativistic"
    """Adversarial loss."""
    penalty_gamma: float = 1.0
    """Weight of the R1 and R2 gradient penalties in the first half; 0 leaves them out."""
    final_penalty_gamma: float = 0.1
    """The penalties' weight at the end, reached along a cosine over the second half."""
    penalty_every_steps: int = 8
    """The penalties are computed at every n-th step, n times as strong (lazy regularisation)."""
    classifier_weight: float = 0.2
    """Weight of the auxiliary classifier's loss; without it the label is hardly learned in short runs."""
    feature_weight: float = 0.0
    """Weight of the critics of ImageNet features in the generator's loss; 0 leaves them out."""
    augment_max_p: float = 0.3
    """Largest probability of augmentation; 0 turns it off."""

    batch_size: int = 32
    """Images a step."""
    epochs: float = 50.0
    """Passes over the data; 0 sets no end, and is what --minutes alone means."""
    minutes: float = 0.0
    """Minutes of training, resumptions counted in; 0 sets no end. With epochs too, the earlier end holds."""
    learning_rate: float = 2e-4
    """Adam's step in the first half."""
    final_learning_rate: float = 5e-5
    """Adam's step at the end, reached along a cosine over the second half."""
    beta1: float = 0.0
    """Adam's first moment."""
    beta2: float = 0.99
    """Adam's second moment."""
    ema_decay: float = 0.998
    """Decay a step of the averaged generator, the one exported; half-life 1 to 1.5 epochs is best."""
    balance: float = 0.5
    """A label of n images is drawn in proportion to n^(1 - balance); 0 draws every image equally often."""
    flip: bool = True
    """Mirror half of the images left to right."""

    seed: int = 0
    """Seed of weights, noise and order."""
    threads: int = 1
    """CPU threads; with 1 a run and its resumption are bit-exact."""
    device: str = "auto"
    """"auto" (an accelerator if there is one), "cpu" or "cuda"."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the networks; bf16 is faster on GPUs and on CPUs with AVX512-BF16."""
    checkpoint_every_steps: int = 500
    """Steps between checkpoints."""
    keep_checkpoints: int = 0
    """Besides the newest checkpoint, keep the last so many as checkpoints/step-*.pt."""
    sample_every_epochs: float = 2.0
    """Epochs between sample grids; mode collapse is looked for as often."""
    stop_on_collapse: bool = False
    """End the run when the samples of a label have become nearly one picture, instead of a warning."""
    tensorboard: bool = True
    """Write TensorBoard events to RUN/tensorboard too."""

    def __post_init__(self) -> None:
        def require(ok: bool, field: str, accepted: str) -> None:
            if not ok:
                raise ConfigError(f"{field} is {getattr(self, field)!r}; it must be {accepted}")

        require(self.architecture in ("dcgan", "cgan"), "architecture", "dcgan or cgan")
        require(self.loss in ("relativistic", "minimax"), "loss", "relativistic or minimax")
        require(self.precision in ("fp32", "bf16"), "precision", "fp32 or bf16")
        require(self.image_size_px in (32, 64, 128), "image_size_px", "32, 64 or 128")
        require(self.channels in (1, 3), "channels", "1 or 3")
        require(self.device in ("auto", "cpu", "cuda"), "device", "auto, cpu or cuda")
        for field in (
            "z_dim", "generator_features", "discriminator_features", "batch_size", "threads",
            "penalty_every_steps", "checkpoint_every_steps",
        ):  # fmt: skip
            require(getattr(self, field) >= 1, field, "at least 1")
        require(self.batch_size >= 2, "batch_size", "at least 2, for batch norm")
        for field in ("learning_rate", "final_learning_rate", "sample_every_epochs"):
            require(getattr(self, field) > 0, field, "above 0")
        require(self.epochs > 0 or self.minutes > 0, "epochs", "above 0, unless minutes is")
        for field in ("epochs", "minutes", "keep_checkpoints"):
            require(0 <= getattr(self, field) < math.inf, field, "a number of at least 0")
        for field in ("penalty_gamma", "final_penalty_gamma", "classifier_weight", "feature_weight"):
            require(getattr(self, field) >= 0, field, "at least 0")
        for field in ("beta1", "beta2", "ema_decay"):
            require(0 <= getattr(self, field) < 1, field, "at least 0 and below 1")
        for field in ("augment_max_p", "balance"):
            require(0 <= getattr(self, field) <= 1, field, "0 to 1")

    def to_json(self) -> str:
        """Returns the settings as JSON with sorted keys."""
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Config:
        """Returns the settings that `to_json` wrote."""
        return cls(**json.loads(text))


PRESETS: dict[str, dict[str, Any]] = {
    # Radford et al. 2015 with PyTorch's example's batch of 64.
    "dcgan": {
        "architecture": "dcgan", "generator_features": 64, "discriminator_features": 64, "loss": "minimax",
        "penalty_gamma": 0.0, "final_penalty_gamma": 0.0, "classifier_weight": 0.0, "augment_max_p": 0.0,
        "batch_size": 64, "final_learning_rate": 2e-4, "beta1": 0.5, "beta2": 0.999, "balance": 0.0,
    },
    "cgan": {},
}  # fmt: skip
"""What each preset changes from the defaults."""


def resolve(preset: str, file: Path | None, flags: dict[str, Any]) -> Config:
    """Returns the configuration with priority flag > file > preset > default.

    Raises:
        ConfigError: the preset, the file or a setting is not known or not valid.
    """
    if preset not in PRESETS:
        raise ConfigError(f"preset {preset!r} does not exist; there are: {', '.join(PRESETS)}")
    settings = dict(PRESETS[preset])
    if file:
        try:
            settings |= tomllib.loads(file.read_text())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{file} is not a readable TOML file: {error}") from error
    settings |= {name: value for name, value in flags.items() if value is not None}
    if settings.get("minutes") and "epochs" not in settings:
        settings["epochs"] = 0.0
    fields = {field.name for field in dataclasses.fields(Config)}
    if unknown := sorted(settings.keys() - fields):
        raise ConfigError(f"unknown setting {', '.join(unknown)}; there are: {', '.join(sorted(fields))}")
    try:
        return Config(**settings)
    except TypeError as error:
        raise ConfigError(f"a setting has the wrong type: {error}") from error

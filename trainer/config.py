"""Every knob of a training run, and the presets."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import tomllib
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trainer.errors import TrainerError


class ConfigError(TrainerError):
    """A setting is unknown or out of range; the message names it and what is accepted."""


@dataclass(frozen=True)
class Config:
    """The settings of one run; saved with it as config.json and in the model card."""

    architecture: Literal["dcgan", "cgan-mirza", "wgan-gp", "sgan", "cgan"] = "cgan"
    """Networks; those of dcgan and sgan draw without labels."""
    image_size_px: Literal[32, 64, 128] = 64
    """Side of the images."""
    channels: Literal[1, 3] = 3
    """1 grey, 3 RGB."""
    z_dim: int = 100
    """Length of the latent vector."""
    generator_features: int = 32
    """Channels of the generator's last hidden layer; each one before it has twice as many."""
    discriminator_features: int = 32
    """Channels of the discriminator's first layer; each one after it has twice as many."""

    loss: Literal["minimax", "relativistic", "hinge", "wasserstein"] = "relativistic"
    """Adversarial loss."""
    discriminator_steps: int = 1
    """Updates of the discriminator a step, each on a fresh batch; an epoch has the same number of steps."""
    penalty: Literal["r1-r2", "wgan-gp"] = "r1-r2"
    """Gradient penalty: on real and generated images towards 0, or between them towards 1."""
    penalty_gamma: float = 1.0
    """Weight of the penalty in the first half, gamma of R1 and R2 or lambda of WGAN-GP; 0 leaves it out."""
    final_penalty_gamma: float = 0.1
    """The penalty's weight at the end, reached along a cosine over the second half."""
    penalty_every_steps: int = 8
    """The penalty is computed at every n-th step, n times as strong (lazy regularisation)."""
    classifier_weight: float = 0.2
    """Weight of the labels' classification; without it the label is hardly learned in short runs of cgan."""
    labelled_share: float = 1.0
    """Share of each label's images whose label sgan is told; it takes the others as unlabelled."""
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
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """"auto" is an accelerator if there is one."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the networks; "auto" is bf16 where the GPU or CPU computes in it, else fp32."""
    compile: bool = False
    """Compile the networks (torch.compile); the first steps then take minutes."""
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
        for field in dataclasses.fields(self):
            value = _checked_type(field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)  # such as 1 for a setting of 1.0
        self._check_ranges()
        self._check_combinations()

    def _check_ranges(self) -> None:
        def require(ok: bool, field: str, accepted: str) -> None:
            if not ok:
                raise ConfigError(f"{field} is {getattr(self, field)!r}; it must be {accepted}")

        for field in (
            "z_dim", "generator_features", "discriminator_features", "discriminator_steps", "threads",
            "penalty_every_steps", "checkpoint_every_steps",
        ):  # fmt: skip
            require(getattr(self, field) >= 1, field, "at least 1")
        require(self.batch_size >= 2, "batch_size", "at least 2, for batch norm")
        for field in ("learning_rate", "final_learning_rate", "sample_every_epochs"):
            require(getattr(self, field) > 0, field, "above 0")
        require(self.epochs > 0 or self.minutes > 0, "epochs", "above 0, unless minutes is")
        for field in (
            "epochs", "minutes", "keep_checkpoints", "seed", "penalty_gamma", "final_penalty_gamma",
            "classifier_weight", "feature_weight",
        ):  # fmt: skip
            require(getattr(self, field) >= 0, field, "at least 0")
        for field in ("beta1", "beta2", "ema_decay"):
            require(0 <= getattr(self, field) < 1, field, "at least 0 and below 1")
        for field in ("augment_max_p", "balance", "labelled_share"):
            require(0 <= getattr(self, field) <= 1, field, "0 to 1")

    def _check_combinations(self) -> None:
        def forbid(wrong: bool, message: str) -> None:
            if wrong:
                raise ConfigError(message)

        forbid(
            self.architecture == "sgan" and self.classifier_weight == 0,
            "classifier_weight is 0; it must be above 0 for sgan, which learns from labels by its classifier",
        )
        forbid(
            self.architecture != "sgan" and self.labelled_share < 1,
            f"labelled_share is {self.labelled_share}; it must be 1 for {self.architecture}, for only sgan "
            "learns from images without labels",
        )
        forbid(
            self.loss == "wasserstein" and self.penalty_gamma == 0,
            "penalty_gamma is 0; it must be above 0 for loss wasserstein, which has no lower bound without",
        )
        forbid(
            self.penalty == "wgan-gp" and self.penalty_gamma > 0 and self.architecture not in ALONE,
            f"penalty is 'wgan-gp', but the discriminator of {self.architecture} has batch norm, which the "
            f"penalty does not allow; use penalty r1-r2, or architecture {' or '.join(ALONE)}",
        )

    def to_json(self) -> str:
        """Returns the settings as JSON with sorted keys."""
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Config:
        """Returns the settings that `to_json` wrote."""
        return cls(**json.loads(text))


ALONE = ("wgan-gp", "cgan")
"""Architectures whose discriminator judges each image alone, without a norm across the batch."""

_TYPES = typing.get_type_hints(Config)
_LARGEST = int(sys.float_info.max)
_KINDS = {int: "a whole number", float: "a number", bool: "true or false"}


def _checked_type(name: str, value: Any) -> Any:
    """Returns the value of a setting in the setting's type.

    Raises:
        ConfigError: it is of another type, or none of the choices.
    """
    kind = _TYPES[name]
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if not any(value == choice and type(value) is type(choice) for choice in choices):
            *first, last = map(str, choices)
            raise ConfigError(f"{name} is {value!r}; it must be {', '.join(first)} or {last}")
        return value
    if kind is float and type(value) is int:
        value = float(value) if abs(value) < _LARGEST else math.inf
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise ConfigError(f"{name} is {value!r}; it must be {_KINDS[kind]}")
    return value


_DCGAN: dict[str, Any] = {
    "architecture": "dcgan", "generator_features": 64, "discriminator_features": 64, "loss": "minimax",
    "penalty_gamma": 0.0, "final_penalty_gamma": 0.0, "classifier_weight": 0.0, "augment_max_p": 0.0,
    "batch_size": 64, "final_learning_rate": 2e-4, "beta1": 0.5, "beta2": 0.999, "balance": 0.0,
}  # fmt: skip
_WGAN_GP: dict[str, Any] = {
    "architecture": "wgan-gp", "generator_features": 32, "discriminator_features": 16, "loss": "wasserstein",
    "discriminator_steps": 5, "penalty": "wgan-gp", "penalty_gamma": 10.0, "final_penalty_gamma": 10.0,
    "penalty_every_steps": 1, "classifier_weight": 0.0, "augment_max_p": 0.0, "batch_size": 64,
    "learning_rate": 1e-4, "final_learning_rate": 1e-4, "beta1": 0.0, "beta2": 0.9, "balance": 0.0,
}  # fmt: skip

PRESETS: dict[str, dict[str, Any]] = {
    "dcgan": _DCGAN,
    "cgan-mirza": _DCGAN | {"architecture": "cgan-mirza"},
    "wgan-gp": _WGAN_GP,
    "sgan": _DCGAN | {"architecture": "sgan", "classifier_weight": 1.0},
    "cgan": {},
    "guided": {"feature_weight": 0.3, "penalty_gamma": 0.3},
    "study-dcgan": _DCGAN | {"batch_size": 20},
    "study-cgan": _WGAN_GP | {"batch_size": 20},
}
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
        except (OSError, ValueError, RecursionError) as error:  # ValueError: TOML, UTF-8, and endless numbers
            raise ConfigError(f"{file} is not a readable TOML file: {error}") from error
    settings |= {name: value for name, value in flags.items() if value is not None}
    if settings.get("minutes") and "epochs" not in settings:
        settings["epochs"] = 0.0
    fields = {field.name for field in dataclasses.fields(Config)}
    if unknown := sorted(settings.keys() - fields):
        raise ConfigError(f"unknown setting {', '.join(unknown)}; there are: {', '.join(sorted(fields))}")
    return Config(**settings)

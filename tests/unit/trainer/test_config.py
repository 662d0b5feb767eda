"""Settings and presets."""

import dataclasses
from pathlib import Path

import pytest

from trainer.config import PRESETS, Config, ConfigError, resolve


def test_priority_is_flag_file_preset_default(tmp_path: Path) -> None:
    """A flag beats the file, the file beats the preset, the preset beats the default."""
    file = tmp_path / "run.toml"
    file.write_text("batch_size = 8\nseed = 3\n")
    config = resolve("dcgan", file, {"seed": 5, "epochs": None})
    assert (config.seed, config.batch_size, config.beta1, config.epochs) == (5, 8, 0.5, 50.0)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_survive_json(preset: str) -> None:
    """Every preset is valid and comes back from JSON as it was."""
    config = resolve(preset, None, {})
    assert Config.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"image_size_px": 48}, "image_size_px is 48; it must be 32, 64 or 128"),
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
        ({"loss": "hinge"}, "loss is 'hinge'; it must be relativistic or minimax"),
        ({"ema_decay": 1.0}, "ema_decay is 1.0"),
    ],
)
def test_a_bad_value_is_named(flags: dict[str, object], message: str) -> None:
    """A value out of range is named together with what is accepted."""
    with pytest.raises(ConfigError, match=message):
        resolve("cgan", None, flags)


def test_unknown_names_list_what_exists(tmp_path: Path) -> None:
    """An unknown preset or setting lists those that exist; a broken file is named."""
    with pytest.raises(ConfigError, match=r"preset 'x' does not exist; there are: dcgan, cgan"):
        resolve("x", None, {})
    file = tmp_path / "run.toml"
    file.write_text("batchsize = 8")
    with pytest.raises(ConfigError, match=r"unknown setting batchsize; there are: .*batch_size"):
        resolve("cgan", file, {})
    file.write_text("batch_size = ")
    with pytest.raises(ConfigError, match=r"run\.toml is not a readable TOML file"):
        resolve("cgan", file, {})


def test_config_is_frozen() -> None:
    """A run's settings cannot change under it."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().seed = 1  # type: ignore[misc]


def test_minutes_alone_set_no_end_by_epochs() -> None:
    """A time budget given alone is the only end; given with epochs, both hold; one of them must be there."""
    assert (resolve("cgan", None, {"minutes": 2.0}).epochs, Config().minutes) == (0, 0)
    assert resolve("cgan", None, {"minutes": 2.0, "epochs": 3.0}).epochs == 3
    with pytest.raises(ConfigError, match=r"epochs is 0\.0; it must be above 0, unless minutes is"):
        resolve("cgan", None, {"epochs": 0.0})

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
        ({"channels": 4}, "channels is 4; it must be 1 or 3"),
        ({"batch_size": 1}, "batch_size is 1; it must be at least 2, for batch norm"),
        ({"z_dim": 0}, "z_dim is 0; it must be at least 1"),
        ({"loss": "mse"}, "loss is 'mse'; it must be minimax, relativistic, hinge or wasserstein"),
        ({"ema_decay": 1.0}, "ema_decay is 1.0; it must be at least 0 and below 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be above 0"),
        ({"augment_max_p": 1.5}, "augment_max_p is 1.5; it must be 0 to 1"),
        ({"epochs": 0.0}, "epochs is 0.0; it must be above 0, unless minutes is"),
    ],
)
def test_a_bad_value_is_named(flags: dict[str, object], message: str) -> None:
    """A value out of range is named together with what is accepted."""
    with pytest.raises(ConfigError) as error:
        resolve("cgan", None, flags)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('batch_size = "8"', "batch_size is '8'; it must be a whole number"),
        ("batch_size = 8.0", "batch_size is 8.0; it must be a whole number"),
        ("batch_size = true", "batch_size is True; it must be a whole number"),
        ("image_size_px = 64.0", "image_size_px is 64.0; it must be 32, 64 or 128"),
        ("channels = true", "channels is True; it must be 1 or 3"),
        ('epochs = "50"', "epochs is '50'; it must be a number"),
        ("epochs = nan", "epochs is nan; it must be a number"),
        ("minutes = inf", "minutes is inf; it must be a number"),
        ("flip = 1", "flip is 1; it must be true or false"),
        ("loss = []", r"loss is []; it must be minimax, relativistic, hinge or wasserstein"),
    ],
)
def test_a_wrong_type_in_a_file_is_named(tmp_path: Path, line: str, message: str) -> None:
    """A setting of another type than its own is refused, not converted."""
    file = tmp_path / "run.toml"
    file.write_text(line)
    with pytest.raises(ConfigError) as error:
        resolve("cgan", file, {})
    assert str(error.value) == message


def test_a_whole_number_will_do_for_any_number(tmp_path: Path) -> None:
    """`epochs = 5` in a file means 5.0."""
    file = tmp_path / "run.toml"
    file.write_text("epochs = 5")
    epochs = resolve("cgan", file, {}).epochs
    assert epochs == 5
    assert type(epochs) is float


@pytest.mark.parametrize(
    ("preset", "flags", "message"),
    [
        ("sgan", {"classifier_weight": 0.0}, "classifier_weight is 0; it must be above 0 for sgan"),
        ("cgan", {"labelled_share": 0.5}, "labelled_share is 0.5; it must be 1 for cgan"),
        ("wgan-gp", {"penalty_gamma": 0.0}, "penalty_gamma is 0; it must be above 0 for loss wasserstein"),
        ("dcgan", {"penalty": "wgan-gp", "penalty_gamma": 10.0}, "the discriminator of dcgan has batch norm"),
    ],
)
def test_settings_that_do_not_go_together(preset: str, flags: dict[str, object], message: str) -> None:
    """A combination that could not train is refused, with the setting to change."""
    with pytest.raises(ConfigError, match=message):
        resolve(preset, None, flags)


def test_unknown_names_list_what_exists(tmp_path: Path) -> None:
    """An unknown preset or setting lists those that exist; a broken file is named."""
    with pytest.raises(ConfigError, match=r"preset 'x' does not exist; there are: dcgan, .*cgan"):
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

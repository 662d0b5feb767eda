"""Which runs a study has."""

from pathlib import Path

import pytest

from trainer.config import ConfigError
from trainer.study.plan import StudyError, plan_runs


def test_the_study_s_eight_runs() -> None:
    """Without options batch sizes, epochs and numbers of images are the study's, its times beside."""
    runs = {run.name: run for run in plan_runs()}
    assert list(runs) == [
        "cars-train-dcgan", "cars-train-wgan-gp", "cars-test-dcgan", "cars-test-wgan-gp",
        "dogs-train-dcgan", "dogs-train-wgan-gp", "dogs-test-dcgan", "dogs-test-wgan-gp",
    ]  # fmt: skip
    batches = [(run.max_images, run.config.batch_size) for run in runs.values()]
    assert batches == [(8000, 20)] * 4 + [(4000, 15)] * 2 + [(1000, 5)] * 2
    assert {run.config.epochs for run in runs.values()} == {50.0}
    times = [run.published.duration_s / 60 for run in runs.values() if run.published]
    assert times == [52, 162, 48, 154, 28, 73, 12, 23]
    assert runs["cars-test-wgan-gp"].config.architecture == "wgan-gp"
    assert runs["cars-test-wgan-gp"].published.model == "CGAN"


def test_models_are_compared_under_equal_settings() -> None:
    """The models on one set differ in nothing but what their presets say."""
    dcgan, cgan = plan_runs(only=["dogs-train-*"])
    for name in ("epochs", "batch_size", "image_size_px", "z_dim", "flip", "seed", "channels"):
        assert getattr(dcgan.config, name) == getattr(cgan.config, name), name


def test_other_models_seeds_and_sizes(tmp_path: Path) -> None:
    """Presets, seeds and images are the user's; a flag beats the file, which beats the study."""
    file = tmp_path / "settings.toml"
    file.write_text("batch_size = 7\nthreads = 2\n")
    runs = plan_runs(
        presets=["sgan", "cgan"], seeds=2, images=30, only=["dogs-test-*"], file=file,
        flags={"threads": 3, "epochs": None},
    )  # fmt: skip
    assert [run.name for run in runs] == [
        "dogs-test-sgan", "dogs-test-sgan-seed1", "dogs-test-cgan", "dogs-test-cgan-seed1",
    ]  # fmt: skip
    assert [run.config.seed for run in runs] == [0, 1, 0, 1]
    assert {(run.max_images, run.config.batch_size, run.config.threads) for run in runs} == {(30, 7, 3)}
    assert [run.published is None for run in runs] == [True, True, False, False]


def test_mistakes(tmp_path: Path) -> None:
    """A name that is not there is answered by those that are."""
    with pytest.raises(StudyError, match=r"no run 'cats-\*' in this study; there are: cars-train-dcgan, "):
        plan_runs(only=["cats-*"])
    with pytest.raises(ConfigError, match="preset 'gan' does not exist"):
        plan_runs(presets=["gan"])
    with pytest.raises(ConfigError, match="is not a readable TOML file"):
        plan_runs(file=tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="seed cannot be set for a study"):
        plan_runs(flags={"seed": 1})

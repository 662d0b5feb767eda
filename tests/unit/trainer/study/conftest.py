"""Small data with both splits, and settings of runs too small to learn anything."""

from pathlib import Path

import pytest

from tests.helpers.photographs import write_blobs
from trainer.data.prepare import prepare
from trainer.data.sets import PreparedSet
from trainer.study.plan import RunPlan, plan_runs

TINY = {
    "image_size_px": 32, "z_dim": 8, "generator_features": 4, "discriminator_features": 4, "batch_size": 4,
    "epochs": 2.0, "checkpoint_every_steps": 3, "threads": 1, "device": "cpu", "tensorboard": False,
}  # fmt: skip


@pytest.fixture
def cars(tmp_path: Path) -> PreparedSet:
    """Cars: 12 coupes, 4 suvs and 8 vans to train on; 6 coupes and 5 suvs to test on."""
    counts = {"train/coupe": 12, "train/suv": 4, "train/van": 8, "test/coupe": 6, "test/suv": 5}
    return prepare(write_blobs(tmp_path / "cars", counts), tmp_path / "cars-set", size_px=32)


@pytest.fixture
def plans() -> list[RunPlan]:
    """The eight runs of the study, tiny."""
    return plan_runs(flags=TINY)

"""The sets that runs are trained on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.photographs import write_blobs
from trainer.data.prepare import prepare
from trainer.data.sets import PreparedSet
from trainer.study.plan import RunPlan, StudyError
from trainer.study.sets import open_run_set, require_splits


def test_both_splits_are_trained_on(cars: PreparedSet, plans: list[RunPlan], tmp_path: Path) -> None:
    """A run on the test split trains on those images, and holds those of the other split as unseen."""
    by_name = {plan.name: plan for plan in plans}
    train = open_run_set(cars, by_name["cars-train-dcgan"], tmp_path)
    test = open_run_set(cars, by_name["cars-test-dcgan"], tmp_path)
    assert train.info.labels == ("coupe", "suv", "van")
    assert train.info.splits["train"].images_per_label == {"coupe": 12, "suv": 4, "van": 8}
    assert train.info.splits["test"].images_per_label == {"coupe": 6, "suv": 5, "van": 0}
    assert test.info.labels == ("coupe", "suv")
    assert test.info.splits["train"].images_per_label == {"coupe": 6, "suv": 5}
    assert test.info.splits["test"].images_per_label == {"coupe": 12, "suv": 4}
    assert np.array_equal(test.split().images, cars.split("test").images)
    named = {
        file: test.info.labels[label] for file, label in zip(test.files(), test.split().labels, strict=True)
    }
    assert all(f"/{label}/" in file for file, label in named.items())
    test.verify()


def test_sets_are_cut_and_shared(cars: PreparedSet, plans: list[RunPlan], tmp_path: Path) -> None:
    """Runs on the same split share one choice of images; another choice under the same name is refused."""
    dcgan, cgan = (replace(plan, max_images=10) for plan in plans[:2])
    first, second = (open_run_set(cars, plan, tmp_path) for plan in (dcgan, cgan))
    assert first == second
    assert first.info.splits["train"].images == 10
    with pytest.raises(StudyError, match=r"was made of 10 images .* not of 24"):
        open_run_set(cars, plans[0], tmp_path)


def test_a_missing_split_is_named(plans: list[RunPlan], tmp_path: Path) -> None:
    """Data without a test split does for the other runs; for this one the way out is told."""
    folder = write_blobs(tmp_path / "raw", {"coupe": 8})
    prepared = prepare(folder, tmp_path / "set", size_px=32)
    require_splits(prepared, plans[:2])
    with pytest.raises(
        StudyError, match=r"no images in the split 'test', which cars-test-dcgan .*--test-share"
    ):
        require_splits(prepared, plans[:3])

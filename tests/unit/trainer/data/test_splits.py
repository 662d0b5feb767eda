"""Splits and classes in paths."""

from __future__ import annotations

import pytest

from trainer.data.splits import class_of, split_of


@pytest.mark.parametrize(
    ("path", "split", "class_name"),
    [
        ("train/sedan/1.jpg", "train", "sedan"),
        ("training_set/training_set/dogs/dog.1.jpg", "train", "dogs"),
        ("archive/test_set/dogs/dog.4001.jpg", "test", "dogs"),
        ("cars_train/00001.jpg", "train", None),
        ("cars_test/00001.jpg", "test", None),
        ("Valid/coupe/1.jpg", "val", "coupe"),
        ("validation-images/coupe/1.jpg", "val", "coupe"),
        ("test1/1.jpg", "test", None),
        ("cifar-train-003/0001.jpg", "train", None),
        ("contest/1.jpg", None, "contest"),
        ("latest trains/1.jpg", None, "latest trains"),
        ("train.jpg", None, None),
        ("train/test drive/1.jpg", "train", "test drive"),
    ],
)
def test_paths_tell_split_and_class(path: str, split: str | None, class_name: str | None) -> None:
    """The topmost telling folder names the split, the nearest other folder the class."""
    assert (split_of(path), class_of(path)) == (split, class_name)

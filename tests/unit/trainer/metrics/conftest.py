"""A small prepared set of two kinds of drawings, in which everything can be measured within seconds."""

from pathlib import Path

import numpy as np
import pytest

from trainer.data import sets
from trainer.data.sets import PreparedSet, SetInfo

LABELS = ("disc", "stripes")


def drawings(n: int, seed: int, channels: int = 3, size_px: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Returns n discs and striped squares of random place, size and colour, with noise; and their labels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size_px, 0:size_px]
    labels = np.arange(n) % 2
    images = np.empty((n, channels, size_px, size_px), np.uint8)
    for image, label in zip(images, labels, strict=True):
        cx, cy, size = *rng.uniform(0.3, 0.7, 2) * size_px, rng.uniform(0.15, 0.3) * size_px
        if label:
            shape = (np.maximum(abs(x - cx), abs(y - cy)) < size) & (y // 2 % 2 == 0)
        else:
            shape = np.hypot(x - cx, y - cy) < size
        for plane in image:
            colour, ground = rng.uniform(0, 255, 2)
            plane[:] = np.clip(np.where(shape, colour, ground) + rng.normal(0, 6, shape.shape), 0, 255)
    return images, labels


def write_set(folder: Path, splits: dict[str, tuple[np.ndarray, np.ndarray]]) -> PreparedSet:
    """Writes images and labels by split as a prepared set."""
    infos = {}
    with sets.new_set_folder(folder) as partial:
        for name, (images, labels) in splits.items():
            files = [f"{i}.png" for i in range(len(images))]
            chosen = np.arange(len(images))
            infos[name] = sets.write_split(partial, name, images, chosen, labels, files, LABELS)
        _, channels, size_px, _ = images.shape
        info = SetInfo(
            name="drawings", terms="own", source="none", source_kind="folder", options={}, size_px=size_px,
            channels=channels, labels=LABELS, files=0, splits=infos, left_out={},
        )  # fmt: skip
        sets.write_info(partial, info)
    return sets.open_set(folder)


@pytest.fixture(scope="session")
def drawn_set(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    """A set of 360 training and 120 test images of 32 px."""
    return write_set(
        tmp_path_factory.mktemp("sets") / "drawings", {"train": drawings(360, 1), "test": drawings(120, 2)}
    )

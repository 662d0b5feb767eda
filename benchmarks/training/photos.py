"""JPEG files to train on, and PyTorch's way to read them: ImageFolder, transforms, a DataLoader."""

from __future__ import annotations

import random
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

MADE_SIZE_PX = (640, 427)
MADE_LABELS = ("coupe", "sedan", "suv")


def write_photos(source: Path, folder: Path, count: int) -> str:
    """Writes `count` JPEGs to folder/<label>/; returns what they are.

    They are drawn at random from the tar `source`; where there is none, they are made.
    """
    if not source.is_file():
        for number in range(count):
            label = MADE_LABELS[number % len(MADE_LABELS)]
            (folder / label).mkdir(parents=True, exist_ok=True)
            _make(number).save(folder / label / f"{number:05d}.jpg", quality=85)
        return f"made JPEGs of {MADE_SIZE_PX[0]}x{MADE_SIZE_PX[1]}"
    with tarfile.open(source) as tar:
        members = [member for member in tar.getmembers() if member.name.lower().endswith(".jpg")]
        chosen = random.Random(0).sample(members, min(count, len(members)))
        for number, member in enumerate(sorted(chosen, key=lambda member: member.offset)):
            file = tar.extractfile(member)
            assert file
            label = PurePosixPath(member.name).parent.name or "all"
            (folder / label).mkdir(parents=True, exist_ok=True)
            (folder / label / f"{number:05d}.jpg").write_bytes(file.read())
    sizes = [Image.open(path).size for path in sorted(folder.rglob("*.jpg"))]
    width, height = np.median(sizes, axis=0).astype(int)
    return f"JPEGs of {source.name}, median {width}x{height}"


def _make(seed: int) -> Image.Image:
    """Returns something with a photo's mixture of smooth and sharp."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).resize(
        MADE_SIZE_PX, Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = rng.uniform(0, MADE_SIZE_PX[0]), rng.uniform(0, MADE_SIZE_PX[1])
        width, height = rng.uniform(20, 200, 2)
        draw.ellipse((x, y, x + width, y + height), fill=tuple(rng.integers(0, 256, 3).tolist()))
    noise = rng.normal(0, 6, (MADE_SIZE_PX[1], MADE_SIZE_PX[0], 1))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def batches(folder: Path, size_px: int, batch_size: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields batches for ever, as PyTorch's example reads them: float [B, 3, S, S] in -1..1, and labels.

    Squeezed to the square and mirrored like ours, so that the work is the same.
    """
    steps = [
        transforms.Resize((size_px, size_px)),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.5,) * 3, (0.5,) * 3),
    ]
    loader = DataLoader(
        ImageFolder(str(folder), transforms.Compose(steps)), batch_size, shuffle=True, drop_last=True,
        num_workers=workers, persistent_workers=workers > 0,
    )  # fmt: skip
    while True:
        yield from loader

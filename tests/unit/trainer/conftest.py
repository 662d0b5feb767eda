"""A small data set on disk, and runs too small to learn anything."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.images import jpeg_file

TINY = {
    "image_size_px": 32, "z_dim": 8, "generator_features": 4, "discriminator_features": 4, "batch_size": 4,
    "epochs": 4.0, "checkpoint_every_steps": 5, "threads": 1, "device": "cpu",
    "tensorboard": False,
}  # fmt: skip


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Signal handlers are as before when a test ran the command in this process."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def tiny() -> dict[str, object]:
    """Settings of a run of 20 steps that takes a second."""
    return dict(TINY)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 12 coupes and 8 vans with the junk that real folders hold."""
    root = tmp_path / "photos"
    for label, n, first_seed in (("Coupe", 12, 0), ("van", 8, 100)):
        (root / label).mkdir(parents=True)
        for i in range(n):
            (root / label / f"{i:02d}.jpg").write_bytes(jpeg_file(60, 40, seed=first_seed + i))
    (root / "van/.DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (root / "van/90.jpg").write_bytes(b"no image at all")
    (root / "van/91.jpg").write_bytes(jpeg_file(60, 40)[:300])
    (root / "van/92.jpg").write_bytes(b"")
    (root / "van/93.jpg").write_bytes(jpeg_file(60, 8))
    return root

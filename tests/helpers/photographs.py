"""Folders of pictures that differ as much as photographs do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def write_blobs(root: Path, counts: Mapping[str, int], *, side_px: int = 40) -> Path:
    """Writes that many JPEGs of coloured blobs to each folder below `root`; all of them differ."""
    seed = 0
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True)
        for number in range(count):
            blobs = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
            image = Image.fromarray(blobs).resize((side_px, side_px), Image.Resampling.BICUBIC)
            image.save(root / folder / f"{number:03d}.jpg", quality=90)
            seed += 1
    return root

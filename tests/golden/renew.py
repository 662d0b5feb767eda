"""Writes the golden files of GanPress's own formats: `python -m tests.golden.renew`.

Files that exist are never written again: yesterday's files must open for ever. A new format version adds
its files here, and expected.json grows by their pixels' SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from services.compressor.codecs import Pixels, decode, get_codec
from services.compressor.codecs.archive import ArchiveWriter

GOLDEN = Path(__file__).parent
EXPECTED = GOLDEN / "expected.json"


def image(width_px: int, height_px: int, channels: int) -> Pixels:
    """Returns waves and an edge in whole numbers, the same everywhere: [height, width, channels]."""
    y, x, c = np.mgrid[0:height_px, 0:width_px, 0:channels]
    waves = (x * (3 + c) + y * (5 - c) + x * y // (7 + c)) % 256
    return np.where(x + 2 * y < width_px, waves, 255 - waves // 2).astype(np.uint8)


FILES = {
    "dct-v2-best.gpc": (get_codec("dct"), (70, 41, 3)),
    "dct-v2-fast.gpc": (get_codec("dct", effort="fast"), (40, 24, 3)),
    "dct-v2-420.gpc": (get_codec("dct", quality=60, subsampling="420"), (67, 35, 3)),
    "dct-v2-psnr.gpc": (get_codec("dct", quality=30, tune="psnr", postfilter=False), (33, 50, 3)),
    "dct-v2-threshold.gpc": (get_codec("dct", threshold=0.01), (21, 13, 3)),
    "dct-v2-threshold-ycbcr.gpc": (get_codec("dct", threshold=0.03, color_space="ycbcr"), (16, 24, 3)),
    "dct-v2-rgb.gpc": (get_codec("dct", quality=100, color_space="rgb"), (16, 16, 3)),
    "dct-v2-grey.gpc": (get_codec("dct", quality=50), (17, 9, 1)),
    "dct-v2-rgba.gpc": (get_codec("dct", quality=90), (19, 16, 4)),
    "dct-v2-photo-size.gpc": (get_codec("dct", quality=10), (200, 190, 3)),
    "dct-v2-steep.gpc": (get_codec("dct", quality=70), (70, 41, 3)),
    "dct-v2-1x1.gpc": (get_codec("dct"), (1, 1, 3)),
    "kmeans-v1-rgb.png": (get_codec("kmeans", k=16), (30, 20, 3)),
    "kmeans-v1-grey.png": (get_codec("kmeans", k=5), (17, 9, 1)),
    "kmeans-v1-rgba.png": (get_codec("kmeans", k=100), (20, 20, 4)),
    "kmeans-v2-rgb.png": (get_codec("kmeans", k=16), (30, 20, 3)),
    "kmeans-v2-rgba.png": (get_codec("kmeans", k=100), (20, 20, 4)),
    "kmeans-packed-v1-rgb.gpc": (get_codec("kmeans", k=23, pack=True), (40, 25, 3)),
    "kmeans-packed-v1-grey.gpc": (get_codec("kmeans", k=256, pack=True), (17, 9, 1)),
    "kmeans-packed-v1-rgba.gpc": (get_codec("kmeans", k=100, dither=0.5, pack=True), (20, 20, 4)),
    "kmeans-packed-v1-1x1.gpc": (get_codec("kmeans", pack=True), (1, 1, 3)),
}


ARCHIVE = "archive-v1.gpa"
ARCHIVED = {"large": (40, 24, 3), "small": (1, 1, 3), "grey/ä": (17, 9, 1)}
"""Members of the archive, by key: sizes of `image`, as PNG."""


def main() -> None:
    """Writes what is missing."""
    expected = json.loads(EXPECTED.read_text(encoding="utf-8")) if EXPECTED.exists() else {}
    for name, (codec, size) in FILES.items():
        if name in expected:
            continue
        data = codec.encode(image(*size))
        (GOLDEN / name).write_bytes(data)
        pixels = decode(data)
        expected[name] = {"shape": list(pixels.shape), "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}
    if not (GOLDEN / ARCHIVE).exists():
        with ArchiveWriter.create(GOLDEN / ARCHIVE) as writer:
            for key, size in ARCHIVED.items():
                writer.add_image(key, image(*size), get_codec("png"))
                writer.flush()
    EXPECTED.write_text(json.dumps(expected, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

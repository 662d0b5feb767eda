#!/usr/bin/env python
"""Trains the priors of the DCT codec: `python scripts/train_priors.py ../shared/data`.

Writes services/compressor/codecs/dct/priors.xz from photos.tar (halved, to undo what JPEG did to them)
and lossless-extra.tar, and from the training parts of cars.tar and dogs.tar (scaled to 32 to 96 pixels). A
file needs the very prior it was coded with, so a released prior never changes: a better one is a new one.
"""

from __future__ import annotations

import io
import lzma
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.compressor.codecs.coding import new_meter
from services.compressor.codecs.dct import picture, planes, postfilter, priors
from services.compressor.codecs.dct.blocks import Blocks
from services.compressor.codecs.dct.contexts import DIAGONAL, LOCAL
from services.compressor.codecs.dct.plan import Plan, Tune
from services.compressor.codecs.dct.scan import BUCKET_OF, SCANS

PHOTOS, SMALL = 90, 2200  # images of each kind
PHOTO_QUALITIES, SMALL_QUALITIES = (20, 50, 75, 88, 95), (25, 50, 70, 85, 93)
LARGEST_COUNTS = (60, 40)
HEURISTIC = [0, 1, 2, 3, 4, 5.5, 7.5, 10, 13.5, 18.5, 26, 40]

Pixels = NDArray[np.uint8]
Counts = tuple[NDArray[np.float64], NDArray[np.float64]]


def images(archive: Path, count: int) -> Iterator[Image.Image]:
    """Yields so many images of an archive, evenly spread over it."""
    with tarfile.open(archive) as tar:
        # Test parts stay unseen.
        members = [m for m in tar.getmembers() if m.name.endswith((".jpg", ".png")) and "test/" not in m.name]
        for i in range(min(count, len(members))):
            file = tar.extractfile(members[i * len(members) // min(count, len(members))])
            if file:
                yield Image.open(io.BytesIO(file.read())).convert("RGB")


def photographs(data: Path) -> list[Pixels]:
    found = [np.asarray(image) for image in images(data / "lossless-extra.tar", 6)]
    halves = [image.reduce(2) for image in images(data / "photos.tar", PHOTOS - len(found))]
    return found + [np.asarray(image) for image in halves]


def small_images(data: Path) -> list[Pixels]:
    random = np.random.default_rng(0)
    found: list[Pixels] = []
    for name, count in (("cars.tar", SMALL * 2 // 3), ("dogs.tar", SMALL // 3)):
        for image in images(data / name, count):
            side = int(random.choice([32, 64, 64, 64, 64, 96]))
            short = min(image.size)
            square = image.crop((0, 0, short, short)) if random.random() < 0.5 else image
            scale = side / min(square.size)
            size = (round(square.width * scale), round(square.height * scale))
            found.append(np.asarray(square.resize(size, Image.Resampling.LANCZOS)))
    return found


def plan_of(pixels: Pixels, quality: int, *, fast: bool) -> Plan:
    return Plan(None, quality, True, fast, fast, Tune.perceptual(*pixels.shape[:2]), False)


def blocks_of(pixels: Pixels, plan: Plan) -> list[Blocks]:
    parts = planes.split(pixels, to_ycbcr=True, halved=plan.is_halved)
    return picture.quantised_planes(parts, plan)


def count(blocks: list[Blocks], counts: Counts) -> None:
    """Adds what magnitudes and buckets occur."""
    magnitudes, ends = counts
    for number, plane in enumerate(blocks):
        size = np.array(plane.sizes)
        for level in range(3):
            units = 1 << level
            ys, xs = np.nonzero(size == level)
            keep = (ys % units == 0) & (xs % units == 0)
            side = 8 << level
            kind = 3 * min(number, 1) + level
            cells = [
                plane.coefficients[8 * y : 8 * y + side, 8 * x : 8 * x + side]
                for y, x in zip(ys[keep], xs[keep], strict=True)
            ]
            if not cells:
                continue
            m = np.abs(np.stack(cells)).astype(int)
            m[:, 0, 0] = 0
            scan = SCANS[level, : side * side]
            ordered = m[:, scan >> 5, scan & 31]
            last = np.where(ordered.any(1), side * side - (ordered[:, ::-1] > 0).argmax(1), 0)
            buckets = BUCKET_OF[last]
            np.add.at(ends[kind], buckets, 1)
            pad = np.minimum(np.pad(m, ((0, 0), (0, 2), (0, 2))), 63)
            local = (
                2 * (pad[:, :-2, 1:-1] + pad[:, 1:-1, :-2])
                + pad[:, 1:-1, 1:-1]
                + pad[:, :-2, 2:]
                + pad[:, 2:, :-2]
            )
            near = LOCAL[np.minimum(local, 127)][:, scan >> 5, scan & 31]
            coded = np.arange(side * side) < last[:, None]
            coded[:, 0] = False
            diagonal = np.broadcast_to(DIAGONAL[(scan >> 5) + (scan & 31)], near.shape)
            cells_of = np.stack([diagonal[coded], near[coded], np.minimum(ordered, 15)[coded]])
            flat = np.ravel_multi_index(tuple(cells_of), (12, 12, 16))
            magnitudes[kind] += np.bincount(flat, minlength=12 * 12 * 16).reshape(12, 12, 16)


def rates_of(counts: Counts) -> tuple[priors.Rates, priors.Rates]:
    """Returns the bits of each magnitude and bucket; what is seldom leans on a geometric guess."""
    magnitudes, ends = counts
    guess = np.zeros(priors.RATES_SHAPE)
    for near, beside in enumerate(HEURISTIC):
        mean = 0.03 + beside / 8
        guess[:, :, near] = (mean / (1 + mean)) ** np.arange(16) / (1 + mean)
    chance = (magnitudes + 20 * guess) / (
        magnitudes.sum(-1, keepdims=True) + 20 * guess.sum(-1, keepdims=True)
    )
    bits = -np.log2(chance) + (np.arange(16) > 0)
    end_chance = (ends + 1) / (ends + 1).sum(-1, keepdims=True)
    return np.minimum(bits, 60).astype(np.float32), -np.log2(end_chance).astype(np.float32)


def trained(pictures: list[Pixels], qualities: tuple[int, ...]) -> priors.State:
    """Returns the state after coding the pictures, each in one or two qualities."""
    random = np.random.default_rng(1)
    state = priors.State.empty()
    jobs = [
        (p, int(q))
        for p in pictures
        for q in random.choice(qualities, 2 if len(pictures) < 200 else 1, replace=False)
    ]
    random.shuffle(jobs)
    for pixels, quality in jobs:
        plan = plan_of(pixels, quality, fast=bool(random.random() < 0.3))
        blocks = blocks_of(pixels, plan)
        picture.code(new_meter(), np.zeros(1, np.uint8), state, picture.header_of(plan, 0), blocks, 112)
    return state


def trained_banks(pictures: list[Pixels], prior: int) -> bytes:
    """Returns the filters that suit the pictures best; each picture counts by its pixels, each step alike."""
    sums = np.zeros((2, postfilter.CLASSES, postfilter.TAP_COUNT, postfilter.TAP_COUNT + 1))
    for i, pixels in enumerate(pictures):
        plan = plan_of(pixels, (30, 60, 80, 90)[i % 4], fast=False)
        parts = planes.split(pixels, to_ycbcr=True, halved=False)
        blocks = picture.quantised_planes(parts, plan)
        header = picture.header_of(plan, prior)
        picture.code(new_meter(), np.zeros(1, np.uint8), priors.State.empty(), header, blocks, 112)
        for number, (part, plane) in enumerate(zip(parts, blocks, strict=True)):
            step = int(header.quantiser.tables(number)[0][0])
            classes = postfilter.classify(plane.samples, step)
            sums[min(number, 1)] += postfilter.statistics(plane.samples, part, classes) / step**2
    zero = np.zeros((postfilter.CLASSES, postfilter.TAP_COUNT), np.int32)
    return b"".join(postfilter.solved(part * 1e6, zero).astype(np.int8).tobytes() for part in sums)


def main() -> None:
    data = Path(sys.argv[1])
    photos, small = photographs(data), small_images(data)
    empty = priors.State.empty()
    counts: Counts = (np.zeros(priors.RATES_SHAPE), np.zeros(priors.END_RATES_SHAPE))
    tables = rates_of(counts)
    for turn in range(2):
        write([empty, empty], tables)
        counts = (np.zeros(priors.RATES_SHAPE), np.zeros(priors.END_RATES_SHAPE))
        for i, pixels in enumerate(photos[:40] + small[:150]):
            for quality in (30, 75, 92):
                count(blocks_of(pixels, plan_of(pixels, quality, fast=i % 5 == 0)), counts)
        tables = rates_of(counts)
        print(f"rates, turn {turn + 1}: {counts[0].sum():.0f} coefficients", flush=True)
    write([empty, empty], tables)
    states = [trained(photos, PHOTO_QUALITIES), trained(small, SMALL_QUALITIES)]
    banks = [trained_banks(photos, 1), trained_banks(small[:800], 2)]
    write(states, tables, banks)
    print(f"{priors.FILE}: {priors.FILE.stat().st_size} bytes")


def write(
    states: list[priors.State],
    tables: tuple[priors.Rates, priors.Rates],
    banks: list[bytes] | None = None,
) -> None:
    banks = banks or [bytes(2 * postfilter.CLASSES * postfilter.TAP_COUNT)] * len(states)
    packed = [
        state.pack(limit) + bank for state, limit, bank in zip(states, LARGEST_COUNTS, banks, strict=True)
    ]
    content = b"".join(packed) + priors.pack_rates(*tables)
    priors.FILE.write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    priors.content.cache_clear()
    priors.rates.cache_clear()


if __name__ == "__main__":
    main()

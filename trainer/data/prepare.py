"""Makes a prepared set from raw data: reads, labels, decodes, leaves out, splits and writes."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainer.config import ConfigError
from trainer.data import sets
from trainer.data.dataset import UNLABELLED
from trainer.data.decode import decode
from trainer.data.doubles import Fingerprint, find_doubles, fingerprint
from trainer.data.errors import SourceError, UnusableError
from trainer.data.labels import Labeller
from trainer.data.options import DataOptions
from trainer.data.raw import RawImage, Source
from trainer.data.sets import PreparedSet, SetInfo, SplitInfo
from trainer.data.sources import read_source, source_name
from trainer.data.splits import SPLITS, TEST, TRAIN, VALIDATION, split_of

SIZES_PX = (32, 64, 128)
ONE_LABEL = "all"
"""Label of every image where the data names no class at all."""
_KEEP_FIRST = {TEST: 0, VALIDATION: 1, TRAIN: 2}
"""Of two doubles the one in the earlier split stays, so that no test image is trained on."""


@dataclass(frozen=True)
class LeftOut:
    """A file that is not in the set."""

    file: str
    reason: str
    detail: str


@dataclass(frozen=True)
class _Examined:
    """A usable image."""

    name: str
    label: str | None
    split: str | None
    pixels: np.ndarray
    content_sha256: bytes
    fingerprint: Fingerprint


@dataclass(frozen=True)
class _Kept:
    """A usable image whose pixels are in the scratch file."""

    position: int
    name: str
    label: str | None
    split: str
    fingerprint: Fingerprint

    @property
    def order(self) -> tuple[int, str, int]:
        return _KEEP_FIRST[self.split], self.name, self.position


def prepare(
    location: str | Path,
    folder: Path,
    *,
    size_px: int,
    channels: int = 3,
    options: DataOptions | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> PreparedSet:
    """Writes the raw data at a location to a new folder as a prepared set.

    The set depends on the raw images, their names and the options alone: not on the order in an archive nor
    on the number of workers.

    Args:
        location: path or URL of the raw data, as `read_source` takes it.
        folder: folder of the set; nothing may be there.
        size_px: side of the images: 32, 64 or 128.
        channels: 1 grey or 3 RGB.
        options: what to read, labels, splits.
        workers: threads that decode; None: one a CPU.
        progress: called with the number of files looked at so far.

    Raises:
        ConfigError: size or channels are not acceptable.
        SourceError: the data cannot be read or labelled, or no image is usable.
        SetError: the folder is not empty.
    """
    options = options or DataOptions()
    if size_px not in SIZES_PX:
        raise ConfigError(f"size_px is {size_px}; it must be 32, 64 or 128")
    if channels not in (1, 3):
        raise ConfigError(f"channels is {channels}; it must be 1 or 3")
    source = read_source(location, options)
    with sets.new_set_folder(folder) as partial:
        left_out: list[LeftOut] = []
        scratch = partial / "scratch"
        kept = _decode_all(source, scratch, size_px, channels, options, left_out, workers, progress)
        if not kept:
            raise SourceError(f"no usable image was found in {location} ({_reasons(left_out)})")
        images = np.memmap(scratch, np.uint8, "r", shape=(len(kept), channels, size_px, size_px))
        kept.sort(key=lambda image: image.order)
        files = len(kept) + len(left_out)
        kept = _without_doubles(kept, images, left_out, near=not options.keep_near_doubles)
        kept, labels = _without_foreign_labels(kept, left_out, options)
        splits = _write_splits(partial, kept, images, labels)
        scratch.unlink()
        left_out.sort(key=lambda file: (file.reason, file.file))
        rows = ((file.file, file.reason, file.detail) for file in left_out)
        sets.write_table(partial / "left_out.csv", ("file", "reason", "detail"), rows)
        info = SetInfo(
            name=options.name or source_name(location),
            terms=options.terms,
            source=str(location),
            source_kind=source.kind,
            options=options.given(),
            size_px=size_px,
            channels=channels,
            labels=labels,
            files=files,
            splits=splits,
            left_out=dict(Counter(file.reason for file in left_out).most_common()),
        )
        sets.write_info(partial, info)
    return sets.open_set(folder)


def _decode_all(
    source: Source, scratch: Path, size_px: int, channels: int, options: DataOptions,
    left_out: list[LeftOut], workers: int | None, progress: Callable[[int], None] | None,
) -> list[_Kept]:  # fmt: skip
    """Appends the pixels of every usable image to the file `scratch`; the others go to `left_out`."""
    workers = workers or len(os.sched_getaffinity(0))
    labeller = Labeller(options, cars=source.kind == "stanford-cars")
    kept: list[_Kept] = []
    files = 0
    with scratch.open("wb") as pixels, ThreadPoolExecutor(workers) as pool:
        pending: deque[tuple[str, Future[_Examined]]] = deque()

        def collect() -> None:
            name, future = pending.popleft()
            try:
                image = future.result()
            except UnusableError as error:
                left_out.append(LeftOut(name, error.reason, error.detail))
                return
            pixels.write(image.pixels.tobytes())
            split = image.split or _drawn_split(image.content_sha256, options.test_share)
            kept.append(_Kept(len(kept), name, image.label, split, image.fingerprint))

        for raw in source.images:
            files += 1
            if progress:
                progress(files)
            split = raw.split or split_of(raw.name)
            if options.test_share and split:
                raise SourceError(f"the data has splits of its own ({raw.name}): leave out --test-share")
            try:
                label = labeller.label(raw.name, raw.class_name)
            except UnusableError as error:
                left_out.append(LeftOut(raw.name, error.reason, error.detail))
                continue
            if labeller.failed:
                continue  # what is wrong is gathered; nothing more is decoded
            pending.append((raw.name, pool.submit(_examine, raw, label, split, size_px, channels)))
            if len(pending) > 4 * workers:
                collect()
        while pending:
            collect()
    labeller.check()
    return kept


def _examine(raw: RawImage, label: str | None, split: str | None, size_px: int, channels: int) -> _Examined:
    pixels = decode(raw, size_px, channels)
    content = hashlib.sha256(raw.data or b"").digest()
    return _Examined(raw.name, label, split, pixels, content, fingerprint(pixels))


def _drawn_split(content_sha256: bytes, test_share: float) -> str:
    """Draws a split by the file's content: the same file is always in the same split."""
    return TEST if int.from_bytes(content_sha256[:8]) < test_share * 2**64 else TRAIN


def _without_doubles(
    kept: list[_Kept], images: np.ndarray, left_out: list[LeftOut], *, near: bool
) -> list[_Kept]:
    """Returns `kept`, which is sorted, without images that an earlier one of it doubles."""
    doubles = find_doubles(
        [image.fingerprint for image in kept], lambda i: images[kept[i].position], near=near
    )
    for i, double in sorted(doubles.items()):
        first, own = kept[double.kept], kept[i]
        label = "" if first.label == own.label else f", which is labelled {first.label!r}, not {own.label!r}"
        reason = "double" if double.exact else "near double"
        left_out.append(LeftOut(own.name, reason, f"of {first.name}{label}"))
    return [image for i, image in enumerate(kept) if i not in doubles]


def _without_foreign_labels(
    kept: list[_Kept], left_out: list[LeftOut], options: DataOptions
) -> tuple[list[_Kept], tuple[str, ...]]:
    """Returns the images whose labels can be trained, and the names of all labels."""
    if not options.unlabelled and all(image.label is None for image in kept):
        return [replace(image, label=ONE_LABEL) for image in kept], (ONE_LABEL,)
    trained = {image.label for image in kept if image.split == TRAIN} or {image.label for image in kept}
    trained.add(None)
    left_out += [
        LeftOut(image.name, "label not in train", image.label or "")
        for image in kept
        if image.label not in trained
    ]
    names = tuple(sorted(label for label in trained if label is not None))
    return [image for image in kept if image.label in trained], names


def _write_splits(
    folder: Path, kept: list[_Kept], images: np.ndarray, labels: tuple[str, ...]
) -> dict[str, SplitInfo]:
    index: dict[str | None, int] = {label: i for i, label in enumerate(labels)} | {None: UNLABELLED}
    splits = {}
    for split in SPLITS:
        chosen = [image for image in kept if image.split == split]
        if chosen:
            splits[split] = sets.write_split(
                folder,
                split,
                images,
                np.array([image.position for image in chosen]),
                np.array([index[image.label] for image in chosen], np.int64),
                [image.name for image in chosen],
                labels,
            )
    return splits


def _reasons(left_out: list[LeftOut]) -> str:
    counts = Counter(file.reason for file in left_out).most_common()
    return ", ".join(f"{reason}: {n}" for reason, n in counts) or "no files"

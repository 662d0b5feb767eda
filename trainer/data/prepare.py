"""Makes a prepared set from raw data: reads, labels, decodes, leaves out, splits and writes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainer.config import ConfigError
from trainer.data import sets
from trainer.data.dataset import UNLABELLED
from trainer.data.decode import check_name
from trainer.data.doubles import Fingerprint, find_doubles
from trainer.data.errors import SourceError, UnusableError
from trainer.data.examine import Examined, Labelled, LeftOut, examine_all
from trainer.data.labels import Labeller
from trainer.data.options import DataOptions
from trainer.data.raw import RawImage
from trainer.data.sets import PreparedSet, SetInfo, SplitInfo
from trainer.data.sources import read_source, source_name
from trainer.data.splits import SPLITS, TEST, TRAIN, VALIDATION, split_of

SIZES_PX = (32, 64, 128)
ONE_LABEL = "all"
"""Label of every image where the data names no class at all."""
_KEEP_FIRST = {TEST: 0, VALIDATION: 1, TRAIN: 2}
"""Of two doubles the one in the earlier split stays, so that no test image is trained on."""


@dataclass(frozen=True)
class _Kept:
    """A usable image whose pixels are in the scratch file."""

    position: int
    name: str
    label: str | None
    split: str
    fingerprint: Fingerprint


def prepare(
    location: str | Path,
    folder: Path,
    *,
    size_px: int,
    channels: int = 3,
    options: DataOptions | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
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
    workers = workers or len(os.sched_getaffinity(0))
    source = read_source(location, options)
    labeller = Labeller(options, cars=source.kind == "stanford-cars")
    with sets.new_set_folder(folder) as partial:
        labelled = _labelled(source.images, labeller, options, progress)
        examined = examine_all(labelled, size_px, channels, workers)
        kept, left_out = _store(examined, partial / "scratch", options.test_share)
        labeller.check()
        if not kept:
            raise SourceError(f"no usable image was found in {location} ({_reasons(left_out)})")
        files = len(kept) + len(left_out)
        images = np.memmap(partial / "scratch", np.uint8, "r", shape=(len(kept), channels, size_px, size_px))
        kept.sort(key=lambda image: (_KEEP_FIRST[image.split], image.name, image.position))
        kept = _without_doubles(kept, images, left_out, near=not options.keep_near_doubles)
        kept, labels = _with_known_labels(kept, left_out, options)
        splits = _write_splits(partial, kept, images, labels)
        (partial / "scratch").unlink()
        sets.write_left_out(partial, left_out)
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
            left_out=_counts(left_out),
        )
        sets.write_info(partial, info)
    return sets.open_set(folder)


def _labelled(
    images: Iterable[RawImage], labeller: Labeller, options: DataOptions, progress: Callable[[int], None]
) -> Iterator[Labelled | LeftOut]:
    """Yields each image with its label and split, and none once a label is in doubt: nothing is worth it."""
    for files, raw in enumerate(images, 1):
        progress(files)
        split = raw.split or split_of(raw.name)
        if options.test_share and split:
            raise SourceError(f"the data has splits of its own ({raw.name}): leave out --test-share")
        try:
            check_name(raw.name)
            label = labeller.label(raw.name, raw.class_name)
        except UnusableError as error:
            yield LeftOut(raw.name, error.reason, error.detail)
            continue
        if not labeller.failed:
            yield Labelled(raw, label, split)


def _store(
    results: Iterable[Examined | LeftOut], scratch: Path, test_share: float
) -> tuple[list[_Kept], list[LeftOut]]:
    """Writes the pixels of usable images to the file `scratch`, one after the other."""
    kept: list[_Kept] = []
    left_out: list[LeftOut] = []
    with scratch.open("wb") as file:
        for result in results:
            if isinstance(result, LeftOut):
                left_out.append(result)
                continue
            file.write(result.pixels.tobytes())
            split = result.split or _drawn_split(result.content_sha256, test_share)
            kept.append(_Kept(len(kept), result.name, result.label, split, result.fingerprint))
    return kept, left_out


def _drawn_split(content_sha256: bytes, test_share: float) -> str:
    """Draws a split by the file's content: the same file is always in the same split."""
    return TEST if int.from_bytes(content_sha256[:8]) < test_share * 2**64 else TRAIN


def _without_doubles(
    kept: list[_Kept], images: np.ndarray, left_out: list[LeftOut], *, near: bool
) -> list[_Kept]:
    """Returns the images, which come those to keep first, without doubles of an earlier one."""
    prints = [image.fingerprint for image in kept]
    doubles = find_doubles(prints, lambda i: images[kept[i].position], near=near)
    for i, double in sorted(doubles.items()):
        first, own = kept[double.kept], kept[i]
        label = "" if first.label == own.label else f", which is labelled {first.label!r}, not {own.label!r}"
        reason = "double" if double.exact else "near double"
        left_out.append(LeftOut(own.name, reason, f"of {first.name}{label}"))
    return [image for i, image in enumerate(kept) if i not in doubles]


def _with_known_labels(
    kept: list[_Kept], left_out: list[LeftOut], options: DataOptions
) -> tuple[list[_Kept], tuple[str, ...]]:
    """Returns the images whose labels can be trained, and the names of all labels."""
    if not options.unlabelled and all(image.label is None for image in kept):
        return [replace(image, label=ONE_LABEL) for image in kept], (ONE_LABEL,)
    known = {image.label for image in kept if image.split == TRAIN} or {image.label for image in kept}
    known.add(None)
    foreign = (image for image in kept if image.label not in known)
    left_out += [LeftOut(image.name, "label not in train", image.label or "") for image in foreign]
    names = tuple(sorted(label for label in known if label is not None))
    return [image for image in kept if image.label in known], names


def _write_splits(
    folder: Path, kept: list[_Kept], images: np.ndarray, labels: tuple[str, ...]
) -> dict[str, SplitInfo]:
    index: dict[str | None, int] = {label: i for i, label in enumerate(labels)} | {None: UNLABELLED}
    splits: dict[str, SplitInfo] = {}
    for split in SPLITS:
        chosen = [image for image in kept if image.split == split]
        if chosen:
            positions = np.array([image.position for image in chosen])
            numbers = np.array([index[image.label] for image in chosen], np.int64)
            files = [image.name for image in chosen]
            splits[split] = sets.write_split(folder, split, images, positions, numbers, files, labels)
    return splits


def _counts(left_out: list[LeftOut]) -> dict[str, int]:
    return dict(
        sorted(Counter(file.reason for file in left_out).items(), key=lambda item: (-item[1], item[0]))
    )


def _reasons(left_out: list[LeftOut]) -> str:
    return ", ".join(f"{reason}: {count}" for reason, count in _counts(left_out).items()) or "no files"

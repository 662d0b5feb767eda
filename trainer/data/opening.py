"""The data of a training run: a prepared set as it is, anything else prepared into the run's folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from trainer.config import ConfigError
from trainer.data.errors import SetError
from trainer.data.location import is_url
from trainer.data.options import DataOptions
from trainer.data.prepare import prepare
from trainer.data.sets import PreparedSet, is_set, open_set

DATA_FOLDER = "data"
"""Folder of a run that holds the set prepared for it."""


def open_or_prepare(
    location: str | Path,
    run: Path,
    *,
    size_px: int,
    channels: int,
    options: DataOptions | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> PreparedSet:
    """Returns the set to train on, in the size that a new run needs.

    Args:
        location: a prepared set, or raw data, which is prepared into the run's folder.
        run: folder of the run.
        size_px: side of the images.
        channels: 1 grey or 3 RGB.
        options: for raw data.
        progress: called with the number of raw files looked at so far.

    Raises:
        ConfigError: options were given for a prepared set.
        SourceError: the raw data cannot be used.
        SetError: a set is damaged, or of another size.
    """
    options = options or DataOptions()
    if not is_url(str(location)) and is_set(Path(location)):
        if options.given():
            raise ConfigError(f"{location} is prepared already: leave out {', '.join(options.given())}")
        return _fitting(open_set(Path(location)), size_px, channels)
    folder = run / DATA_FOLDER
    if not is_set(folder):
        return prepare(
            location, folder, size_px=size_px, channels=channels, options=options, progress=progress
        )
    prepared = _fitting(open_set(folder), size_px, channels)
    asked = json.loads(json.dumps(options.given()))
    if (prepared.info.source, prepared.info.options) != (str(location), asked):
        raise SetError(
            f"{folder} was prepared from {prepared.info.source} with other options; remove it, or choose "
            "another folder for the run"
        )
    return prepared


def data_of_run(run: Path) -> PreparedSet:
    """Returns the set that the run in a folder is trained on.

    Raises:
        SetError: it is gone or damaged.
    """
    if is_set(run / DATA_FOLDER):
        return open_set(run / DATA_FOLDER)
    try:
        folder = json.loads((run / "data.json").read_text(encoding="utf-8"))["set"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetError(
            f"{run} does not tell what it was trained on: data.json is missing or damaged"
        ) from error
    if not folder or not is_set(Path(folder)):
        raise SetError(
            f"{run} was trained on the prepared set {folder}, which is not there any more; move it back"
        )
    return open_set(Path(folder))


def _fitting(prepared: PreparedSet, size_px: int, channels: int) -> PreparedSet:
    info = prepared.info
    if (info.size_px, info.channels) != (size_px, channels):
        raise SetError(
            f"{prepared.folder} holds {info.size_px} px images of {info.channels} channels, the run needs "
            f"{size_px} px and {channels}: prepare the raw data anew, or change image_size_px and channels"
        )
    return prepared

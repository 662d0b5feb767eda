"""The data of a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from trainer.config import ConfigError
from trainer.data.dataset import data_record
from trainer.data.errors import SetError
from trainer.data.opening import data_of_run, open_or_prepare
from trainer.data.options import DataOptions
from trainer.data.prepare import prepare

SIZE = {"size_px": 32, "channels": 3}


def test_raw_data_is_prepared_once_into_the_run(photos: Path, tmp_path: Path) -> None:
    """The run keeps what was prepared for it: the raw data need not be there any more."""
    run = tmp_path / "run"
    prepared = open_or_prepare(photos, run, **SIZE)
    assert prepared.folder == run / "data"
    assert open_or_prepare(photos, run, **SIZE) == prepared
    with pytest.raises(SetError, match=r"run/data was prepared from .*photos with other options; remove it"):
        open_or_prepare(photos, run, **SIZE, options=DataOptions(label="car"))
    shutil.rmtree(photos)
    assert data_of_run(run).split().sha256() == prepared.split().sha256()


def test_prepared_set_is_used_where_it_is(photos: Path, tmp_path: Path) -> None:
    """A prepared set is not copied; the run remembers its place, and says when it is gone."""
    run = tmp_path / "run"
    run.mkdir()
    prepared = prepare(photos, tmp_path / "set", size_px=32)
    opened = open_or_prepare(tmp_path / "set", run, **SIZE)
    assert opened == prepared
    assert list(run.iterdir()) == []
    (run / "data.json").write_text(json.dumps(data_record(opened.split())))
    assert data_of_run(run).folder == tmp_path / "set"
    (tmp_path / "set").rename(tmp_path / "moved")
    with pytest.raises(SetError, match=r"trained on the prepared set .*/set, which is not there any more"):
        data_of_run(run)


def test_a_set_that_does_not_fit(photos: Path, tmp_path: Path) -> None:
    """A set of another size, or options for raw data beside a set, are refused."""
    prepare(photos, tmp_path / "set", size_px=32)
    with pytest.raises(SetError, match=r"holds 32 px images of 3 channels, the run needs 64 px and 1"):
        open_or_prepare(tmp_path / "set", tmp_path / "run", size_px=64, channels=1)
    options = DataOptions(label="car", crop=False)
    with pytest.raises(ConfigError, match=r"set is prepared already: leave out label, crop"):
        open_or_prepare(tmp_path / "set", tmp_path / "run", **SIZE, options=options)


def test_a_run_without_data(tmp_path: Path) -> None:
    """A folder that does not tell its data is one sentence."""
    with pytest.raises(SetError, match="does not tell what it was trained on"):
        data_of_run(tmp_path)


def test_record(photos: Path, tmp_path: Path) -> None:
    """A run's record of its data has name, terms, numbers, digest and what was left out."""
    options = DataOptions(name="my cars", terms="own photos", unlabelled=("van/0[0-3].jpg",))
    prepared = prepare(photos, tmp_path / "set", size_px=32, options=options)
    assert data_record(prepared.split()) == {
        "name": "my cars", "terms": "own photos", "set": str(tmp_path / "set"), "images": 20,
        "images_per_label": {"coupe": 12, "van": 4}, "unlabelled": 4,
        "sha256": prepared.info.splits["train"].sha256, "left_out": prepared.info.left_out,
    }  # fmt: skip

"""Reading a training study's folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.errors import InputError
from client.experiment.training.record import read_file, read_losses, read_study
from tests.helpers.studies import study_record, write_study


def test_fields_and_speeds(tmp_path: Path) -> None:
    """Runs come in their order; speeds follow from images, epochs and times."""
    study = read_study(write_study(tmp_path / "study"))
    assert [run.name for run in study.runs][:2] == ["cars-train-dcgan", "cars-train-wgan-gp"]
    first, last = study.runs[0], study.runs[-1]
    assert first.published
    assert first.published.images_per_s == pytest.approx(128.2, abs=0.1)
    assert first.times_as_fast == pytest.approx(2)
    assert first.at_study_size_s == pytest.approx(26 * 60)
    assert (last.times_as_fast, last.at_study_size_s) == (None, None)


def test_unknown_fields_are_passed_over(tmp_path: Path) -> None:
    """A later trainer may write more."""
    (tmp_path / "study.json").write_text(json.dumps(study_record(weather="fine")))
    assert len(read_study(tmp_path).runs) == 8


def test_losses_are_read_as_far_as_they_are_rows(tmp_path: Path) -> None:
    """The last line of a run that is still training may be cut short."""
    folder = write_study(tmp_path / "study")
    rows = read_losses(folder, read_study(folder).runs[0])
    assert (len(rows.epochs), rows.epochs[-1]) == (100, 50.0)
    assert len(rows.discriminator) == len(rows.generator) == 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "is damaged"),
        ("[]", "is no study of ganpress-trainer"),
        ('{"format": "other"}', "is no study of ganpress-trainer"),
        (json.dumps(study_record(version=2)), "is of format version 2: this program reads 1"),
        (json.dumps(study_record(runs=[{}])), r"is damaged: runs\.0\.name"),
    ],
)
def test_what_is_no_study_is_refused(content: str, message: str, tmp_path: Path) -> None:
    """One sentence says what is wrong with the file."""
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_study(tmp_path)


def test_files_outside_of_the_folder_are_not_read(tmp_path: Path) -> None:
    """A study from elsewhere shows no files of this machine."""
    (tmp_path / "secret").write_text("x")
    folder = write_study(tmp_path / "study")
    assert read_file(folder, "../secret") is None
    assert read_file(folder, str(tmp_path / "secret")) is None
    assert read_file(folder, "absent") is None
    assert read_file(folder, "study.json")

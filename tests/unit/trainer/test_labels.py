"""Label rules."""

from pathlib import Path

import pytest

from trainer.data.labels import OTHER, body_type, label_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Acura TL Sedan 2012", "sedan"),
        ("Chevrolet Silverado 1500 Extended Cab 2012", "pickup"),
        ("Ford F-450 Super Duty Crew Cab 2012", "pickup"),
        ("Ford Ranger SuperCab 2011", "pickup"),
        ("Chrysler Town and Country Minivan 2012", "minivan"),
        ("Ram C/V Cargo Van Minivan 2012", "minivan"),
        ("Dodge Charger SRT-8 2009", OTHER),
        ("BMW_3_Series_Wagon_2012", "wagon"),
    ],
)
def test_body_type_is_last_word_that_names_one(name: str, expected: str) -> None:
    """The last word before the year that names a body decides."""
    assert body_type(name) == expected


def test_folder_rule_lowers_case() -> None:
    """Folders that differ only in case are one label."""
    assert label_of("Dogs", "folder") == "dogs"
    assert label_of("Acura_TL_Sedan_2012", "body-type") == "sedan"


@pytest.mark.data
def test_all_published_class_names(shared_data: Path) -> None:
    """For the 196 published names the rule gives the body types worked out by hand."""
    lines = (shared_data / "stanford-cars-devkit/class_names.csv").read_text().splitlines()[1:]
    rows = [line.split(",") for line in lines]
    assert len(rows) == 196
    assert {row[1]: body_type(row[1]) for row in rows} == {row[1]: row[2] for row in rows}

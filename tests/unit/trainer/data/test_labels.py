"""Label rules, label files, label maps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.data.errors import SourceError, UnusableError
from trainer.data.labels import OTHER, Labeller, body_type, read_label_file, read_label_map
from trainer.data.options import DataOptions


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


@pytest.mark.data
def test_all_published_class_names(shared_data: Path) -> None:
    """For the 196 published names the rule gives the body types worked out by hand."""
    lines = (shared_data / "stanford-cars-devkit/class_names.csv").read_text().splitlines()[1:]
    rows = [line.split(",") for line in lines]
    assert len(rows) == 196
    assert {row[1]: body_type(row[1]) for row in rows} == {row[1]: row[2] for row in rows}


def test_rules() -> None:
    """Folder names are taken in lower case; auto means body types for Stanford Cars alone."""
    assert Labeller(DataOptions()).label("Dogs/1.jpg", "Dogs") == "dogs"
    name = "Acura TL Sedan 2012"
    assert Labeller(DataOptions(), cars=True).label("cars_train/1.jpg", name) == "sedan"
    assert Labeller(DataOptions(label_rule="folder"), cars=True).label("1.jpg", name) == name.lower()
    assert Labeller(DataOptions(label_rule="body-type")).label("x/1.jpg", "Acura_TL_Sedan_2012") == "sedan"
    assert Labeller(DataOptions(label="Car")).label("x/1.jpg", None) == "car"


def test_unlabelled_paths_and_classless_images_have_no_label() -> None:
    """Patterns take the label away, also from one label for all; no class is no label."""
    labeller = Labeller(DataOptions(label="dog", unlabelled=("more/*",)))
    assert labeller.label("more/dogs/1.jpg", "dogs") is None
    assert labeller.label("train/dogs/1.jpg", "dogs") == "dog"
    assert Labeller(DataOptions()).label("1.jpg", None) is None


def test_dropped_labels_are_left_out() -> None:
    """A dropped label's images are left out, however it is written."""
    with pytest.raises(UnusableError, match="label dropped"):
        Labeller(DataOptions(drop_label=("Other",))).label("other/1.jpg", "other")


MAP = {"sedan": "small", "coupe": "Small", "suv": "large", "*van": "large", "more/*": "small"}


@pytest.mark.parametrize("suffix", [".csv", ".json", ".toml"])
def test_label_map(tmp_path: Path, suffix: str) -> None:
    """All three formats map names, then patterns of names and paths, whatever their case."""
    file = tmp_path / f"map{suffix}"
    if suffix == ".csv":
        file.write_text("name,label\n" + "".join(f"{name},{label}\n" for name, label in MAP.items()))
    elif suffix == ".json":
        file.write_text(json.dumps(MAP))
    else:
        file.write_text("".join(f"{json.dumps(name)} = {json.dumps(label)}\n" for name, label in MAP.items()))
    assert read_label_map(file) == {name: label.lower() for name, label in MAP.items()}
    labeller = Labeller(DataOptions(label_map=file))
    assert labeller.label("Sedan/1.jpg", "Sedan") == "small"
    assert labeller.label("minivan/1.jpg", "minivan") == "large"
    assert labeller.label("more/1.jpg", None) == "small"
    labeller.check()


def test_label_map_sees_the_rules_label(tmp_path: Path) -> None:
    """Body types found by the rule can be merged."""
    file = tmp_path / "map.json"
    file.write_text('{"sedan": "small", "suv": "large"}')
    labeller = Labeller(DataOptions(label_map=file), cars=True)
    assert labeller.label("cars_train/1.jpg", "Acura TL Sedan 2012") == "small"


def test_names_unknown_to_the_map(tmp_path: Path) -> None:
    """Unknown names are an error that lists some of them, or are left out, or unlabelled."""
    file = tmp_path / "map.json"
    file.write_text('{"a": "x"}')
    labeller = Labeller(DataOptions(label_map=file))
    for i in range(7):
        for name in ("1.jpg", "2.jpg"):
            labeller.label(f"class{i}/{name}", f"class{i}")
    assert labeller.failed
    expected = r"map.json has no label for 'class0', .*'class4' and 2 more \(14 images\).*--unknown drop"
    with pytest.raises(SourceError, match=expected):
        labeller.check()
    with pytest.raises(UnusableError, match="label unknown"):
        Labeller(DataOptions(label_map=file, unknown="drop")).label("b/1.jpg", "b")
    assert Labeller(DataOptions(label_map=file, unknown="unlabelled")).label("b/1.jpg", "b") is None


def test_label_file(tmp_path: Path) -> None:
    """A label file labels by path or by bare name; an empty label means unlabelled."""
    file = tmp_path / "labels.csv"
    file.write_text("file,label,breed\n./a/1.jpg,Sedan,x\n2.jpg,suv,\n3.jpg,,y\n")
    assert read_label_file(file, "breed") == {"a/1.jpg": "x", "2.jpg": "", "3.jpg": "y"}
    labeller = Labeller(DataOptions(label_file=file))
    assert labeller.label("a/1.jpg", "a") == "sedan"
    assert labeller.label("b/2.jpg", "b") == "suv"
    assert labeller.label("b/3.jpg", "b") is None
    labeller.check()
    labeller.label("b/4.jpg", "b")
    with pytest.raises(SourceError, match=r"labels\.csv has no label for b/4\.jpg \(1 images\)"):
        labeller.check()


def test_label_file_that_disagrees_with_the_folder(tmp_path: Path) -> None:
    """A difference is an error with an example, unless the user says which to believe."""
    file = tmp_path / "labels.csv"
    file.write_text("file,label\nsuv/1.jpg,sedan\nsuv/2.jpg,suv\nphotos/3.jpg,suv\n")

    def labels(options: DataOptions) -> list[str | None]:
        labeller = Labeller(options)
        paths = ("suv/1.jpg", "suv/2.jpg", "photos/3.jpg")
        found = [labeller.label(path, path.split("/")[0]) for path in paths]
        labeller.check()
        return found

    expected = (
        r"disagrees with the folders about 1 of 2 images, such as suv/1.jpg: 'sedan' in the file, 'suv' by"
    )
    with pytest.raises(SourceError, match=expected):
        labels(DataOptions(label_file=file))
    assert labels(DataOptions(label_file=file, disagreeing="file")) == ["sedan", "suv", "suv"]
    assert labels(DataOptions(label_file=file, disagreeing="folder")) == ["suv", "suv", "suv"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("map.yaml", "a: b", r"map\.yaml is none of \.csv, \.json, \.toml"),
        ("map.json", "{", r"map\.json is not readable"),
        ("map.json", '{"a": 1}', r"gives 'a' the label 1; it must be a word"),
        ("map.json", "[1]", r"holds no table"),
        ("map.toml", "[cars]\na = 'b'", r"gives 'cars' the label"),
        ("map.csv", "class,label\na,b\n", r"has no column 'name'; its columns are: class, label"),
        ("map.csv", "name,label\na\n", r"gives 'a' the label ''"),
        ("map.csv", "", r"has no column 'name'; its columns are: none"),
    ],
)
def test_unreadable_maps_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    """A label map that cannot be used is named with the reason."""
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=message):
        read_label_map(tmp_path / name)


def test_label_file_that_is_no_text(tmp_path: Path) -> None:
    """A label file of bytes that are no text is one sentence."""
    (tmp_path / "x.csv").write_bytes(b"file,label\n\xff\xfe,\x00\n")
    with pytest.raises(SourceError, match="not a readable CSV"):
        read_label_file(tmp_path / "x.csv")

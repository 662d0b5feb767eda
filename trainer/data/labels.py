"""Rules that turn what a data set says of an image into a label.

Labels are in lower case. An image's label is found in this order: one label for all; the label file; the
folder's or class's name under the label rule. A label map then renames it. Images at unlabelled paths have
none.
"""

from __future__ import annotations

import csv
import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from trainer.data.errors import SourceError, UnusableError
from trainer.data.options import DataOptions, matches

_BODY_TYPES = {
    "sedan": "sedan",
    "suv": "suv",
    "coupe": "coupe",
    "convertible": "convertible",
    "hatchback": "hatchback",
    "wagon": "wagon",
    "minivan": "minivan",
    "van": "van",
    "cab": "pickup",
    "supercab": "pickup",
}
OTHER = "other"
EXAMPLES = 5
"""Names listed in an error."""


def body_type(class_name: str) -> str:
    """Returns the body type in a Stanford Cars class name.

    It is the last word before the year that names a body ("Acura TL Sedan 2012" is a sedan); "Cab" and
    "SuperCab" are pickups. 14 of the 196 names hold none ("Dodge Charger SRT-8 2009"): `OTHER`.
    Underscores count as spaces, so that folder names work too.
    """
    words = re.sub(r"\s+\d{4}$", "", class_name.replace("_", " ").strip()).split()
    for word in reversed(words):
        if found := _BODY_TYPES.get(word.lower()):
            return found
    return OTHER


class Labeller:
    """Gives images their labels and collects what does not fit."""

    def __init__(self, options: DataOptions, *, cars: bool = False) -> None:
        """Reads the label file and the label map.

        Args:
            options: rules.
            cars: the data is Stanford Cars, whose classes hold body types.

        Raises:
            SourceError: a file is not readable.
        """
        self._options = options
        self._by_body_type = options.label_rule == "body-type" or (options.label_rule == "auto" and cars)
        self._of_file = (
            read_label_file(options.label_file, options.label_column) if options.label_file else {}
        )
        self._vocabulary = set(self._of_file.values())
        self._map = read_label_map(options.label_map) if options.label_map else {}
        self._drop = {label.lower() for label in options.drop_label}
        self._unknown: dict[str, str] = {}
        self._unknown_images = 0
        self._disagreeing: list[str] = []
        self._compared = 0

    @property
    def failed(self) -> bool:
        """Whether `check` will raise."""
        return bool(self._unknown or self._disagreeing)

    def label(self, name: str, class_name: str | None) -> str | None:
        """Returns the label of the image at path `name`, None for an unlabelled one.

        Raises:
            UnusableError: the image is left out.
        """
        options = self._options
        if matches(name, options.unlabelled):
            return None
        ruled = self._ruled(class_name)
        label = options.label.lower() if options.label is not None else ruled
        try:
            if self._of_file:
                label = self._from_file(name, ruled)
                if not label:
                    return None
            if self._map:
                label = self._mapped(label, class_name, name)
        except KeyError:
            return self._not_known(name, class_name)
        if label in self._drop:
            raise UnusableError("label dropped", label)
        return label

    def check(self) -> None:
        """Raises SourceError when names were unknown or the label file disagreed with the folders."""
        if self._disagreeing:
            raise SourceError(
                f"{self._options.label_file} disagrees with the folders about {len(self._disagreeing)} of "
                f"{self._compared} images, such as {self._disagreeing[0]}; say which to believe with "
                "--disagreeing file or --disagreeing folder"
            )
        if self._unknown:
            listed = ", ".join(list(self._unknown)[:EXAMPLES])
            more = f" and {len(self._unknown) - EXAMPLES} more" if len(self._unknown) > EXAMPLES else ""
            raise SourceError(
                f"{self._options.label_map or self._options.label_file} has no label for {listed}{more} "
                f"({self._unknown_images} images); add them, or leave such images out with --unknown drop"
            )

    def _ruled(self, class_name: str | None) -> str | None:
        if class_name is None:
            return None
        return body_type(class_name) if self._by_body_type else class_name.strip().lower()

    def _from_file(self, name: str, ruled: str | None) -> str:
        """Returns the label file's label, "" for an unlabelled image; KeyError: it knows no such image."""
        label = self._of_file.get(name)
        if label is None:
            label = self._of_file[PurePosixPath(name).name]
        # A folder whose name is none of the file's labels says nothing.
        if label and ruled in self._vocabulary:
            self._compared += 1
            if label != ruled:
                if self._options.disagreeing == "folder":
                    return ruled
                if self._options.disagreeing == "error":
                    self._disagreeing.append(f"{name}: {label!r} in the file, {ruled!r} by its folder")
        return label

    def _mapped(self, label: str | None, class_name: str | None, name: str) -> str:
        """Returns the label map's label; KeyError: it does not know the image."""
        names = [known.lower() for known in (label, class_name, name) if known is not None]
        for known in names:
            if known in self._map:
                return self._map[known]
        for pattern, mapped in self._map.items():
            if any(fnmatch(known, pattern) for known in names):
                return mapped
        raise KeyError(name)

    def _not_known(self, name: str, class_name: str | None) -> None:
        if self._options.unknown == "drop":
            raise UnusableError("label unknown", class_name or "")
        if self._options.unknown == "error":
            self._unknown[name if self._of_file or class_name is None else repr(class_name)] = name
            self._unknown_images += 1


def read_label_file(path: Path, column: str = "label") -> dict[str, str]:
    """Returns the label of each file in a CSV with the columns `file` and `column`; "" where it is empty.

    Raises:
        SourceError: the file is not readable, or a column is missing.
    """
    rows = _csv_rows(path, ("file", column))
    return {row["file"].removeprefix("./"): row[column].strip().lower() for row in rows}


def read_label_map(path: Path) -> dict[str, str]:
    """Returns the label of each name or shell pattern, both in lower case, in the order of the file.

    The file is a CSV with the columns `name` and `label`, or a JSON object or TOML table of strings.

    Raises:
        SourceError: the file is not readable, or an entry is not a name with a label.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        entries: object = {row["name"]: row["label"] for row in _csv_rows(path, ("name", "label"))}
    else:
        readers = {".json": json.loads, ".toml": tomllib.loads}
        if suffix not in readers:
            raise SourceError(f"label map {path} is none of .csv, .json, .toml")
        try:
            entries = readers[suffix](path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SourceError(f"label map {path} is not readable: {error}") from error
    if not isinstance(entries, dict) or not entries:
        raise SourceError(f"label map {path} holds no table of names and labels")
    for name, label in entries.items():
        if not isinstance(label, str) or not label.strip():
            raise SourceError(f"label map {path} gives {name!r} the label {label!r}; it must be a word")
    return {name.strip().lower(): label.strip().lower() for name, label in entries.items()}


def _csv_rows(path: Path, columns: tuple[str, str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            rows, there = list(reader), reader.fieldnames or ()
    except (ValueError, csv.Error) as error:
        raise SourceError(f"{path} is not a readable CSV file: {error}") from error
    for column in columns:
        if column not in there:
            listed = ", ".join(there) or "none"
            raise SourceError(f"{path} has no column {column!r}; its columns are: {listed}")
    return rows

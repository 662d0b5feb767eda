"""How raw data is read and labelled; what a user may choose."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from trainer.config import ConfigError

LABEL_RULES = ("auto", "folder", "body-type")
UNKNOWN = ("error", "drop", "unlabelled")
DISAGREEING = ("error", "file", "folder")


@dataclass(frozen=True)
class DataOptions:
    """Choices for raw data; kept in the prepared set."""

    include: tuple[str, ...] = ()
    """Shell patterns of paths; a file must match one. None: all."""
    exclude: tuple[str, ...] = ()
    """Shell patterns of paths; a file must match none."""
    label_rule: Literal["auto", "folder", "body-type"] = "auto"
    """`folder`: the name of the class, which is the folder's where the data says nothing else; `body-type`:
    the body type in that name; `auto`: `body-type` for Stanford Cars as published, else `folder`."""
    label: str | None = None
    """One label for all images, instead of a rule."""
    label_file: Path | None = None
    """CSV of a label for each file, instead of a rule."""
    label_column: str = "label"
    """Column of `label_file` that holds the label; the other is `file`."""
    disagreeing: Literal["error", "file", "folder"] = "error"
    """Which to believe where `label_file` and the folder differ."""
    label_map: Path | None = None
    """CSV, JSON or TOML that turns names or patterns into labels."""
    unknown: Literal["error", "drop", "unlabelled"] = "error"
    """What becomes of an image that `label_file` or `label_map` does not know."""
    unlabelled: tuple[str, ...] = ()
    """Shell patterns of paths whose images get no label."""
    drop_label: tuple[str, ...] = ()
    """Labels whose images are left out."""
    crop: bool = True
    """Cut Stanford Cars photos to their boxes."""
    keep_near_doubles: bool = False
    """Keep photos that are in the data a second time with small changes."""
    test_share: float = 0.0
    """Share of the images set aside as the test split, where the data has none."""
    name: str = ""
    """Name of the data. Empty: the name of its file or folder."""
    terms: str = ""
    """Origin and licence of the data."""

    def __post_init__(self) -> None:
        for field, accepted in (
            ("label_rule", LABEL_RULES),
            ("unknown", UNKNOWN),
            ("disagreeing", DISAGREEING),
        ):
            if getattr(self, field) not in accepted:
                raise ConfigError(f"{field} is {getattr(self, field)!r}; it must be {', '.join(accepted)}")
        if not 0 <= self.test_share < 1:
            raise ConfigError(f"test_share is {self.test_share}; it must be at least 0 and below 1")
        if self.label is not None and (self.label_file or self.label_map):
            raise ConfigError("label gives all images one label; leave out label_file and label_map")

    def takes(self, name: str) -> bool:
        """Says whether the file at path `name` is wanted."""
        return (not self.include or matches(name, self.include)) and not matches(name, self.exclude)

    def given(self) -> dict[str, Any]:
        """Returns the options that are not at their defaults, ready for JSON."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in values.items()
            if value != defaults[name]
        }


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Says whether a path matches one of the shell patterns."""
    return any(fnmatch(name, pattern) for pattern in patterns)

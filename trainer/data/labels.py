"""Rules that turn what a data set says of an image into a label."""

from __future__ import annotations

import re
from typing import Literal

LabelRule = Literal["folder", "body-type"]

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


def label_of(folder: str, rule: LabelRule) -> str:
    """Returns the label of an image in `folder` (its name, not its path)."""
    return body_type(folder) if rule == "body-type" else folder.lower()

"""Reads a plan from YAML; what is wrong is told with its line."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from client.errors import InputError
from client.experiment.plan.model import (
    CodecEntry,
    CodecSetting,
    GeneratedSource,
    Grid,
    Plan,
    RealSource,
)
from client.experiment.plan.perturbation import Perturbation

Location = tuple[str | int, ...]
"""Keys and places from the top of a plan, such as ("codecs", 0, "options")."""

_READY_MADE = resources.files("client.experiment.plan") / "ready"


_MOST_VALUES = 100_000
_LONGEST_PLAN = 1 << 20


@dataclass(frozen=True)
class PlanFile:
    """A plan with the file that it came from."""

    plan: Plan
    """The plan."""
    name: str
    """What the user calls it: a path, or the name of a ready-made one."""
    text: str
    """The YAML."""
    lines: dict[Location, int]
    """Line of each value, from 1."""

    def error(self, location: Location, message: str) -> InputError:
        """Returns the error of a value: a sentence that begins with file and line."""
        return InputError(_at(self.name, self.lines, location) + message)


def ready_made() -> list[str]:
    """Returns the names of the ready-made plans, sorted."""
    return sorted(file.name.removesuffix(".yaml") for file in _READY_MADE.iterdir() if ".yaml" in file.name)


def read_plan(name: str) -> PlanFile:
    """Reads a file, or a ready-made plan by its name.

    Raises:
        InputError: There is no such plan, or it is not a correct one.
        OSError: The file cannot be read.
    """
    if name in ready_made() and not Path(name).exists():
        return parse_plan((_READY_MADE / f"{name}.yaml").read_text(encoding="utf-8"), name)
    try:
        text = Path(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"there is no plan {name!r}: name a YAML file, or one of {', '.join(ready_made())}"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{name} is no plan: it is not text in UTF-8") from None
    return parse_plan(text, name)


def parse_plan(text: str, name: str) -> PlanFile:
    """Returns the plan in a YAML text.

    Raises:
        InputError: It is not a correct plan; the message names the line and what is accepted.
    """
    if len(text) > _LONGEST_PLAN:
        raise InputError(f"{name} has {len(text)} characters: a plan has at most {_LONGEST_PLAN}")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[Location, int] = {}
        if root:
            _note_lines(root, (), lines, name)
        content: object = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{name} line {line}: this is no YAML: {error.problem}") from error
    except (InputError, MemoryError):
        raise
    except Exception as error:
        # Values that are not what their tags say end in many ways: KeyError, AttributeError, IndexError ...
        raise InputError(f"{name} is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{name} is no plan: it must have the fields {', '.join(Plan.model_fields)}")
    try:
        return PlanFile(Plan.model_validate(content), name, text, lines)
    except ValidationError as error:
        # A field by a wrong name is missing by its right one too: the wrong name is what was written.
        errors = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        try:
            explained = _explain(errors[0], name, lines)
        except ValueError:  # Python does not write out such numbers
            explained = f"{name} holds a number of thousands of digits"
        raise InputError(explained) from error


def json_schema() -> str:
    """Returns the JSON Schema of plans, for editors and other programs."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Plan.model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"


def _note_lines(node: yaml.Node, location: Location, lines: dict[Location, int], name: str) -> None:
    if len(lines) >= _MOST_VALUES:
        # Aliases of aliases: a few lines may stand for billions of values.
        raise InputError(f"{name} holds more than {_MOST_VALUES} values: a plan has far fewer")
    lines[location] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, value in node.value:
            word = str(key.value)
            if word in seen:
                raise InputError(f"{name} line {key.start_mark.line + 1}: {word!r} is there twice")
            seen.add(word)
            _note_lines(value, (*location, word), lines, name)
            lines[(*location, word)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            _note_lines(value, (*location, place), lines, name)


def _at(name: str, lines: dict[Location, int], location: Location) -> str:
    """Returns words like "plan.yaml line 7, codecs[0].options: " for the value or what is around it."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    while location not in lines and location:
        location = location[:-1]
    return f"{name} line {lines.get(location, 1)}{', ' if words else ''}{words}: "


def _explain(error: ErrorDetails, name: str, lines: dict[Location, int]) -> str:
    # Pydantic puts the branch of a union into the location, which no user wrote.
    location: Location = tuple(
        part for place, part in enumerate(error["loc"]) if not _is_branch(error["loc"], place)
    )
    shown: object = error["input"]
    given = f", not {shown!r}" if isinstance(shown, str | int | float | bool) else ""
    field = str(error["loc"][-1]) if error["loc"] else ""
    match error["type"]:
        case "extra_forbidden":
            fields = ", ".join(_fields_at(error["loc"][:-1]))
            message = f"there is no field {field!r}: the fields are {fields}"
        case "missing":
            location, message = location[:-1], f"the field {field!r} is missing"
        case "union_tag_not_found":
            message = "the field 'kind' is missing: it is real or generated"
        case "union_tag_invalid":
            message = f"kind is real or generated, not {error.get('ctx', {}).get('tag')!r}"
        case "literal_error" if location[0] == "perturbations" and len(location) == 2:
            message = f"it must be none, or a change such as {{rotate: 90}}{given}"
        case _:
            words = error["msg"].removeprefix("Value error, ")
            words = words.replace("Input should be", "it must be").replace("String should", "it should")
            message = next((text for part, text in _UNIONS.items() if part in location), words) + given
    return _at(name, lines, location) + message


_UNIONS = {
    "options": "an option takes a number, a word, true or false, or a list of these to try each",
    "keep_images": "it must be a whole number from 0, or all",
    "labels": "it must be a list of labels, or all; of real images none or folder",
}
"""What is accepted where pydantic would tell of one alternative only."""

_MODELS: dict[str, type[BaseModel]] = {
    "real": RealSource,
    "generated": GeneratedSource,
    "change": Perturbation,
    "grid": Grid,
    "equal_size_to": CodecSetting,
}
_BRANCHES = ("real", "generated", "change", "none", "int", "bool", "float", "str")


def _is_branch(location: Sequence[str | int], place: int) -> bool:
    part = location[place]
    return place > 0 and isinstance(part, str) and (part in _BRANCHES or "[" in part)


def _fields_at(location: Sequence[str | int]) -> list[str]:
    """Returns the fields of the model at a location of pydantic."""
    for part in reversed(location):
        if isinstance(part, str) and part in _MODELS:
            return list(_MODELS[part].model_fields)
    return list((CodecEntry if location[:1] == ("codecs",) else Plan).model_fields)

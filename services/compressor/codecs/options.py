"""The kinds of options that codecs have.

Each function declares one field of a codec's dataclass: its default, which values it takes and what it
does. `Codec` checks the values on construction and lists the options for readers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any


@dataclass(frozen=True)
class Option:
    """What one option takes."""

    accepts: str
    """The values, for a reader: "1..100", "above 0, below 1", "rgb or ycbcr"."""
    description: str
    """What it does, one sentence."""
    default_text: str
    """Its default, for a reader; empty when it is unset by default."""
    convert: Callable[[object], object]
    """Returns an accepted value in the field's type; raises ValueError for any other."""
    values: tuple[object, ...] = ()
    """All that it takes, of an option that is a choice."""


def whole(
    default: int | None, low: int, high: int, description: str, *, default_text: str | None = None
) -> Any:
    """Declares an option that takes the whole numbers from `low` to `high`."""

    def convert(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
            raise ValueError
        return int(value)

    return _declare(default, f"{low}..{high}", description, default_text, convert)


def real(
    default: float | None,
    accepts: str,
    test: Callable[[float], bool],
    description: str,
    *,
    default_text: str | None = None,
) -> Any:
    """Declares an option that takes the real numbers that pass `test`, which `accepts` puts in words."""

    def convert(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, Real) or not test(float(value)):
            raise ValueError
        return float(value)

    return _declare(default, accepts, description, default_text, convert)


def flag(default: bool | None, description: str, *, default_text: str | None = None) -> Any:
    """Declares an option that is true or false."""

    def convert(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    if default is not None:
        default_text = str(default).lower()
    return _declare(default, "true or false", description, default_text, convert, (False, True))


def choice(
    default: str | None, values: tuple[str, ...], description: str, *, default_text: str | None = None
) -> Any:
    """Declares an option that takes one of several words."""

    def convert(value: object) -> str:
        if value not in values:
            raise ValueError
        return str(value)

    accepts = ", ".join(values[:-1]) + " or " + values[-1]
    return _declare(default, accepts, description, default_text, convert, values)


def _declare(
    default: object,
    accepts: str,
    description: str,
    default_text: str | None,
    convert: Callable[[object], object],
    values: tuple[object, ...] = (),
) -> Any:
    if default_text is None:
        default_text = "" if default is None else str(default)
    option = Option(accepts, description, default_text, convert, values)
    return field(default=default, metadata={"option": option})
